"""The database inside a bundle: its tables. content_check.py checks one that a stranger may have written.

A message's own row has its words. Places, and what hangs on them, are named by message and ordinal; pictures by a
number that means nothing outside. An embedding's row number is its model's and its picture's: MODEL * 2^40 + PICTURE.

SQLite itself checks most of what a bundle must keep true: types by STRICT, values by CHECK, references by foreign keys.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

PAGE_BYTES = 16_384  # an embedding of 512 dimensions has 1 KiB: fifteen of them in a page waste little
MODEL_SHIFT = 40
MOST_MODELS = 1 << 20

SCHEMA: Final = (
    """CREATE TABLE guilds (
    guild_id  INTEGER PRIMARY KEY CHECK (guild_id >= 0),
    name      TEXT NOT NULL CHECK (length(name) <= 1000),
    consent   INTEGER NOT NULL CHECK (consent IN (0, 1)),
    origin_id INTEGER NOT NULL
) STRICT""",
    """CREATE TABLE channels (
    channel_id     INTEGER PRIMARY KEY CHECK (channel_id > 0),
    guild_id       INTEGER NOT NULL REFERENCES guilds,
    parent_id      INTEGER,
    kind           TEXT NOT NULL,
    name           TEXT NOT NULL CHECK (length(name) <= 10000),
    age_restricted INTEGER NOT NULL CHECK (age_restricted IN (0, 1)),
    archived       INTEGER NOT NULL CHECK (archived IN (0, 1)),
    origin_id      INTEGER NOT NULL
) STRICT""",
    """CREATE TABLE users (
    user_id INTEGER PRIMARY KEY,
    name    TEXT NOT NULL CHECK (length(name) <= 10000),
    bot     INTEGER CHECK (bot IN (0, 1))
) STRICT""",
    """CREATE TABLE origins (
    origin_id     INTEGER PRIMARY KEY CHECK (origin_id > 0),
    kind          TEXT NOT NULL CHECK (length(kind) <= 100),
    location      TEXT NOT NULL CHECK (length(location) <= 10000),
    version       TEXT NOT NULL CHECK (length(version) <= 10000),
    media_folders TEXT NOT NULL CHECK (length(media_folders) <= 100000)
) STRICT""",
    """CREATE TABLE messages (
    message_id INTEGER PRIMARY KEY CHECK (message_id > 0),
    guild_id   INTEGER NOT NULL,
    channel_id INTEGER NOT NULL REFERENCES channels,
    author_id  INTEGER NOT NULL REFERENCES users,
    edited_ms  INTEGER,
    checked_ms INTEGER NOT NULL,
    origin_id  INTEGER NOT NULL,
    content    TEXT NOT NULL CHECK (length(content) <= 1000000),
    file_names TEXT NOT NULL CHECK (length(file_names) <= 1000000),
    alt_texts  TEXT NOT NULL CHECK (length(alt_texts) <= 1000000)
) STRICT""",
    """CREATE TABLE pictures (
    picture_id      INTEGER PRIMARY KEY CHECK (picture_id > 0 AND picture_id < 1099511627776),
    sha256          BLOB NOT NULL CHECK (length(sha256) = 32),
    perceptual_hash INTEGER,
    colours         BLOB CHECK (length(colours) = 32),
    width           INTEGER,
    height          INTEGER,
    format          TEXT CHECK (length(format) <= 100),
    frame_count     INTEGER,
    byte_count      INTEGER NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('ready', 'rejected')),
    reason          TEXT,
    CHECK ((state = 'rejected') = (reason IS NOT NULL))
) STRICT""",
    """CREATE TABLE places (
    message_id      INTEGER NOT NULL REFERENCES messages,
    ordinal         INTEGER NOT NULL CHECK (ordinal >= 0),
    picture_id      INTEGER REFERENCES pictures,
    source          TEXT NOT NULL,
    link            TEXT NOT NULL CHECK (length(link) <= 100000),
    file_name       TEXT NOT NULL CHECK (length(file_name) <= 100000),
    alt_text        TEXT NOT NULL CHECK (length(alt_text) <= 100000),
    content_type    TEXT CHECK (length(content_type) <= 10000),
    byte_count      INTEGER,
    width           INTEGER,
    height          INTEGER,
    flags           INTEGER NOT NULL CHECK (flags >= 0),
    state           TEXT NOT NULL CHECK (state IN ('pending', 'ready', 'failed')),
    reason          TEXT,
    attempts        INTEGER NOT NULL CHECK (attempts >= 0),
    next_attempt_ms INTEGER,
    path            TEXT CHECK (length(path) <= 100000),
    PRIMARY KEY (message_id, ordinal),
    CHECK ((state = 'failed') = (reason IS NOT NULL)),
    CHECK (state != 'ready' OR picture_id IS NOT NULL),
    CHECK (state = 'failed' OR next_attempt_ms IS NULL)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE exif (
    message_id INTEGER NOT NULL CHECK (message_id >= 4611686018427387904),
    ordinal    INTEGER NOT NULL,
    camera     TEXT NOT NULL CHECK (length(camera) <= 10000),
    lens       TEXT NOT NULL CHECK (length(lens) <= 10000),
    x          REAL,
    y          REAL,
    z          REAL,
    PRIMARY KEY (message_id, ordinal),
    FOREIGN KEY (message_id, ordinal) REFERENCES places,
    CHECK ((x IS NULL) = (y IS NULL) AND (x IS NULL) = (z IS NULL))
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE tags (
    message_id INTEGER NOT NULL,
    ordinal    INTEGER NOT NULL,
    tag        TEXT NOT NULL CHECK (length(tag) <= 50),
    PRIMARY KEY (message_id, ordinal, tag),
    FOREIGN KEY (message_id, ordinal) REFERENCES places
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE picture_texts (
    picture_id INTEGER NOT NULL REFERENCES pictures,
    kind       TEXT NOT NULL CHECK (length(kind) <= 100),
    body       TEXT NOT NULL CHECK (body != '' AND length(body) <= 1000000),
    confidence REAL CHECK (confidence BETWEEN 0 AND 1),
    PRIMARY KEY (picture_id, kind)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE models (
    model_id    INTEGER PRIMARY KEY CHECK (model_id > 0 AND model_id < 1048576),
    name        TEXT NOT NULL CHECK (length(name) <= 1000),
    pretrained  TEXT NOT NULL CHECK (length(pretrained) <= 10000),
    dimension   INTEGER NOT NULL CHECK (dimension BETWEEN 1 AND 65536),
    fingerprint TEXT NOT NULL CHECK (length(fingerprint) <= 1000)
) STRICT""",
    """CREATE TABLE embeddings (
    embedding_id  INTEGER PRIMARY KEY CHECK (embedding_id > 0),
    vector        BLOB NOT NULL,
    at_ms         INTEGER CHECK (at_ms >= 0),
    frames_sought INTEGER NOT NULL CHECK (frames_sought >= 1)
) STRICT""",
    """CREATE TABLE frames (
    embedding_id    INTEGER NOT NULL REFERENCES embeddings,
    at_ms           INTEGER NOT NULL CHECK (at_ms >= 0),
    perceptual_hash INTEGER NOT NULL,
    vector          BLOB NOT NULL,
    PRIMARY KEY (embedding_id, at_ms)
) STRICT""",
    """CREATE TABLE spans (
    channel_id INTEGER NOT NULL REFERENCES channels,
    origin_id  INTEGER NOT NULL,
    low        INTEGER NOT NULL CHECK (low >= 0),
    high       INTEGER NOT NULL,
    PRIMARY KEY (channel_id, origin_id, low),
    CHECK (low <= high)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE tried_models (
    guild_id INTEGER PRIMARY KEY REFERENCES guilds,
    model_id INTEGER NOT NULL REFERENCES models
) STRICT""",
    """CREATE TABLE opt_outs (
    guild_id INTEGER NOT NULL CHECK (guild_id >= 0),
    user_id  INTEGER NOT NULL,
    at_ms    INTEGER NOT NULL,
    PRIMARY KEY (guild_id, user_id)
) STRICT, WITHOUT ROWID""",
    "CREATE TABLE deletions (message_id INTEGER PRIMARY KEY) STRICT",
    """CREATE TABLE deleted_here (
    message_id INTEGER PRIMARY KEY,
    channel_id INTEGER NOT NULL REFERENCES channels
) STRICT""",
)

TABLES: Final = tuple(statement.split("(")[0].split()[2] for statement in SCHEMA)


def create(connection: sqlite3.Connection) -> None:
    """Makes the tables in the new, empty database of `connection`. Blocks."""
    for pragma in (f"page_size = {PAGE_BYTES}", "journal_mode = OFF", "synchronous = OFF", "encoding = 'UTF-8'"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    for statement in SCHEMA:
        connection.execute(statement)


def connect(path: Path) -> sqlite3.Connection:
    """A connection that only reads a file that nobody writes. Blocks."""
    return sqlite3.connect(uri(path), uri=True, isolation_level=None)


def uri(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro&immutable=1"


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Rows of each table. Blocks."""
    return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}


def counts_of(path: Path) -> dict[str, int]:
    """As `counts`, of a file that nobody writes. Blocks."""
    with closing(connect(path)) as connection:
        return counts(connection)
