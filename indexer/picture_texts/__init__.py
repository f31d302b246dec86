"""What pictures say: words that are read in them (ocr), and sentences of a model about them (captions).

May import every room below jobs. Start with lane.py: which picture is next, and when none is. The design is
docs/adr/0055 and docs/adr/0060.
"""
