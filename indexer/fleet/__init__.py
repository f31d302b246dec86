"""What outlives a machine: promises to members and backups, kept in a storage elsewhere (`fleet.storage`).

May import crawl, deletions, backup, store, database and what is below. Start with promises.py; object_storage.py says
what a storage must be able to do. Nothing of this room is imported where `fleet.storage` is empty.
"""
