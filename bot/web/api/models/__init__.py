"""What the interface takes and gives, one file a topic. Imports msgspec and the records alone; start at fields.py."""
