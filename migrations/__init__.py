"""The schema, as numbered SQL files; indexer/database/migrate.py runs them."""
