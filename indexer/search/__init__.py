"""Query → hits: retrieve from both indexes, judge, fuse, choose.

May import vectors, text, reports, encode, store and what is below; never ingest. Start with search.py.
"""
