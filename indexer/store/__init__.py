"""What is stored, one file of SQL a topic: messages, pictures, places, embeddings, jobs, opt-outs, audit.

May import database and what is below. Start with messages.py; filter_sql.py says what a filter lets through.
"""
