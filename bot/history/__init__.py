"""Discord's history as the indexer's `History` port: REST requests, message payloads and their parser.

May import texts, config and the indexer's records. Start with discord_history.py. message_parser.py is pure.
"""
