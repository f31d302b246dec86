"""Pictures or words → unit vectors, by a model in a process of its own; questions go ahead of indexing.

The bot's side imports neither torch nor openvino: encoder, batching, model_on_demand, process, protocol, shared_frames.
worker.py is the process; runtime.py chooses between the rooms on_openvino and on_torch, which it alone imports.
gpu_scan imports torch where it is configured. Of models that run elsewhere: cluster_encoder, and the room on_ray.
May import ports and what is below. Start with encoder.py.
"""
