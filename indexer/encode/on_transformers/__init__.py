"""Models of transformers: BLIP and BLIP-2 for image-text matching, BLIP for captions.

Only processes of their own import this room (matching_worker.py, captioning_worker.py). Start with load.py.
"""
