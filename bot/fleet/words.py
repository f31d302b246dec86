"""The sentence of a bot's log by which its supervisor knows that it restores: it has no other sign of life yet."""

RESTORING = "the folder is new to this machine: restoring the newest backup of the storage"
