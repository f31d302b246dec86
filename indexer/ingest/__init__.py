"""The pipeline: crawl, pictures and encode joined by bounded fair queues; what became of each picture.

May import every room below search. Start with pipeline.py: its top says how much memory the queues may take.
"""
