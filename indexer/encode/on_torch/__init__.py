"""A model by torch and open_clip: loaded, checked, and run on any device that torch knows.

Only the model's process and the process that exports a model import this room. Start with runtime.py.
"""
