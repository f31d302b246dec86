"""How commands reach the running bot: a socket in the data folder, and what may be asked through it.

Imports the indexer and nothing of the bot. Start reading at protocol.py; operations.py says what can be asked,
client.py asks it, server.py answers.
"""
