"""Pictures or words → unit vectors, by a model in a process of its own; questions go ahead of indexing.

The bot's side never imports torch: encoder, batching, model_on_demand, process. worker.py is the process; network,
precision, weights, load_errors, hub and openmp are imported by it alone. gpu_scan imports torch where it is configured.
May import ports and what is below. Start with encoder.py.
"""
