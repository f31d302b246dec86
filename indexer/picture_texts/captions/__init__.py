"""Captions: a sentence about each picture, by a model in a process of its own. Start with captioner.py."""
