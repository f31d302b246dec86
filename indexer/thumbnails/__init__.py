"""Small copies of pictures that are kept on the disk, in one file beside the database. All of it can be made anew.

May import the store and what is below; never pictures, ingest or search. Start with kept_thumbnails.py.
"""
