"""Models of transformers that read a picture and words together: BLIP and BLIP-2 for image-text matching.

Only the second model's process imports this room (matching_worker.py). Start with load.py.
"""
