"""The connection to Discord: the client, the events it hears, and how well each shard is.

May import every other room of bot but app and command_line. Start with client.py; events.py says what each event does.
"""
