"""What a second model made of stored pictures, kept in a file of its own, so that it is made once.

May import database, store and what is below. Start with kept_features.py.
"""
