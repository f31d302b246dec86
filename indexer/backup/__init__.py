"""The data folder's safety: verify, backup, restore, the daily backup, salvage of a damaged database.

May import vectors, store, database and what is below. Start with make.py; backup_file.py has the file's parts as a map.
"""
