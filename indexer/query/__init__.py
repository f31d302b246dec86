"""What a member asks: the grammar of the text, dates as people write them, the query ready to run. Pure.

May import model, errors and settings. Start with grammar.py.
"""
