"""The HTTP side: health and metrics for machines. Off unless `web.listen` names an address.

Imports the bot's pure parts and the indexer; knows no Discord client. Start reading at server.py. A new path goes into
a file beside probes.py and metrics.py, and `bot.app` passes it to `open_web`.
"""
