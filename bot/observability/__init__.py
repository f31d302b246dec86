"""What whoever runs the bot sees of it: log, health file, terminal output; and what other processes may not see.

May import config and texts. Start with log.py.
"""
