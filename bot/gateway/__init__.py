"""The connection to Discord: the client, the events that it receives, and the health of each shard.

May import every other room of bot except app and command_line. Start with client.py; events.py says what each event
does.
"""
