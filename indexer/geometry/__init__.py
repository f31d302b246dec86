"""Whether one picture is a copy of another, by comparing their pixels: cropped, framed, mirrored, turned or saved anew.

May import records; runs in the decode workers, so it needs nothing but numpy and Pillow. Start with compare.py.
"""
