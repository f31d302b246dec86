"""Archives on a disk, read as a History: exports of Discord's messages by several programs, and folders of pictures.

May import ports, query, database and what is below them; never crawl, ingest, store or the other rooms beside it.
Start with export.py; picture_folder.py is its counterpart for collections.
"""
