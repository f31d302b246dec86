"""What is counted for a person: status of the data folder, what a member may know of a guild, what is held of a person.

May import store, database and what is below. Start with reports.py.
"""
