"""What is measured, against what, on which data: one file a benchmark, with its goals. `make bench-NAME` runs one."""

import indexer as indexer  # first, so that numpy runs as it does in the bot
