"""The schema, as numbered SQL files; indexer/storage/migrate.py runs them."""
