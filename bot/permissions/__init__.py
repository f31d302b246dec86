"""Which channels this member may read now, and which channels everybody in this channel may read.

May import history's request pacing, texts and token_buckets. Start with visible_channels.py: its docstring has the
rules.
"""
