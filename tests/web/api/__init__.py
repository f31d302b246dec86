"""The interface below /api/v1, asked over real sockets of a bot that has read two servers."""
