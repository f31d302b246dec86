"""The connection to Discord: the client, the events that it receives, which shards it serves and how they
connect, and the health of each.

May import every other room of bot except app and command_line. Start with client.py; events.py says what each event
does.
"""
