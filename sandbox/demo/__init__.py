"""The demo: a guild full of pictures, the real bot, and members who ask it questions."""
