"""What Linux, macOS and Windows do differently: files, locks, memory maps, child processes.

Imports nothing of ours. Branches are `sys.platform` checks, which mypy follows: `make check` looks at all three.
Start reading in files.py.
"""
