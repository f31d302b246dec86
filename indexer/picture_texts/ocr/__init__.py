"""Words inside pictures, read by RapidOCR in a locked-down process. Start with reader.py."""
