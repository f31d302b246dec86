"""History → messages: the walk through a guild, live events, the sweep for what was missed, reading on demand.

May import store, database, ports and what is below; never pictures, ingest or search. Start with guild_crawl.py.
"""
