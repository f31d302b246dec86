"""Words inside pictures: read by RapidOCR in a locked-down process, stored as texts of the picture.

May import every room below jobs. Start with reader_process.py: it starts the process and says what goes over its pipes.
"""
