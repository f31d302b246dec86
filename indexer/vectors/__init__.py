"""The memory-mapped vector index, derived from the database: segments, memtable, filter, scan, compaction.

May import store, database and what is below. Start with index.py; segment.py has the file's bytes as a map.
"""
