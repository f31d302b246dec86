"""Picture reference → bytes → pixels → hash: allowed hosts, download, decoding in locked-down processes.

May import ports and what is below; never store, crawl, ingest or search. Start with fetch.py, then decoder.py.
"""
