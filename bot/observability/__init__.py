"""What an operator sees of the bot: log, health file, terminal output; and what other processes must not see.

May import config and texts. Start with log.py.
"""
