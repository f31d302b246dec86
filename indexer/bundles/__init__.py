"""Bundles: what is stored of some servers or channels in one file, and its way into another data folder.

May import backup, crawl, archives, store, database and what is below. Start with tables.py, which says what goes along;
content.py is the format, content_check.py checks what a stranger may have written, export.py makes a bundle, storing.py
takes it in. Merge and split use the same two.
"""
