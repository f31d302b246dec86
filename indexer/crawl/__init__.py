"""History → messages: the crawl of a guild, live events, the sweep for missed events, reading on demand.

May import store, database, ports and what is below; never pictures, ingest or search. Start with guild_crawl.py.
"""
