"""Frozen records: what passes between the rooms of the indexer, and their identities.

May import nothing of this project. Start with messages.py.
"""
