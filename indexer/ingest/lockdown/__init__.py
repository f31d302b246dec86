"""Takes from a process what it does not need, for good: files, network, programs, other processes.

Imports the standard library only, since the decode workers run it before anything else. Start reading at apply.py; the
reasons are in docs/adr/0005-decode-in-processes.md.
"""
