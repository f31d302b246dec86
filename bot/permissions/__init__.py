"""Which channels may this member read, here and now; and which may everybody in this channel.

May import history's request pacing, texts and token_buckets. Start with visible_channels.py: its top has the rules.
"""
