"""What the bot posts without being asked: to members, and in channels, of pictures that are new.

May import commands (who asks, and what they may see), permissions, replies, history, texts. Start with
saved_notices.py.
"""
