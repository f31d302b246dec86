"""HTTP: probes and metrics for machines, /api/v1 for programs (api), a page for whoever runs the bot (console).

Off unless `web.listen` names an address. Imports the bot's pure parts, its control room and the indexer; knows no
Discord client. Start reading at server.py, then operator.py, which has all routes.
"""
