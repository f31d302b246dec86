"""Afterimage's indexer: a server's picture history in, the nearest messages out. Knows no Discord and no screen."""
