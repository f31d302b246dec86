"""Pictures or words → unit vectors: weights, precision, batches with questions ahead of indexing.

The only room that imports torch and open_clip. May import ports and what is below. Start with clip.py.
"""
