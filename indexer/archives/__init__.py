"""Archives on a disk, read as a History: exports of DiscordChatExporter in files, folders, .zip and .gz.

May import ports, query, database and what is below them; never crawl, ingest, store or the other rooms beside it.
Start with export.py.
"""
