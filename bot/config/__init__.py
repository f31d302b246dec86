"""The configuration: converts TOML and environment variables to typed settings, and settings to documented text.

May import the indexer's settings and nothing else of bot. Start with loader.py; values.py converts single values.
"""
