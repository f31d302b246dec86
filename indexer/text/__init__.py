"""Text search: BM25 over what messages say, counted over what the asker may see and nothing else.

May import store, database and what is below. Start with text_search.py; terms.py and bm25.py are pure.
"""
