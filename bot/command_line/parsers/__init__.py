"""What each command takes: one file a topic, with a function that adds its commands. Start with parser.py.

Every command pays for what is imported here, so nothing is but argparse: a command's own file is imported when it runs.
"""
