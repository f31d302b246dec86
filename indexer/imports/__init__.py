"""Archives come in: what was asked for, uploads, the folder that they may come from, and what becomes of each.

May import the service and every room below it. Start with archive_import.py.
"""
