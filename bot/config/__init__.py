"""The configuration: TOML and environment → typed settings, and back to documented text.

May import the indexer's settings and nothing else of bot. Start with loader.py; values.py converts single values.
"""
