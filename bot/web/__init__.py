"""The HTTP side: health and metrics for machines. Off unless `web.listen` names an address.

Imports the bot's pure parts and the indexer; knows no Discord client. Start reading at server.py; a path is added
beside its like (probes.py, metrics.py) and handed to `open_web` by `bot.app`.
"""
