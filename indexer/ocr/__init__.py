"""Words inside pictures: read by RapidOCR in a locked-down process, stored as texts of the picture.

May import every room below jobs. Start with lane.py: which picture is read next, and when none is. The design
is docs/adr/0055.
"""
