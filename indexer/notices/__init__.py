"""Pictures that are new, and who waits for them: saved searches of members, and pictures that managers watch for.

May import search, store, database, query, records. Start with new_pictures.py.
"""
