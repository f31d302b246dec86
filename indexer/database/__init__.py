"""SQLite, the truth: connections, transactions, the writer's lock, migrations, the journal of removals.

May import model, errors and the supervisor; knows no table but its own. Start with database.py.
"""
