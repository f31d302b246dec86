"""Sentences of a bot's log by which its supervisor knows what it waits for: it has no other sign of life yet."""

RESTORING = "the folder is new to this machine: restoring the newest backup of the storage"
WAITING = "waiting for the lease on"  # as indexer/fleet/lease.py says it
