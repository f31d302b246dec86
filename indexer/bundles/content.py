"""The database inside a bundle: its tables, and the check of one that a stranger may have written.

A message's own row has its words. Places, and what hangs on them, are named by message and ordinal; pictures by a
number that means nothing outside. An embedding's row number is its model's and its picture's: MODEL * 2^40 + PICTURE.

SQLite itself checks most of what a bundle must keep true: types by STRICT, values by CHECK, references by foreign keys.
`check` first compares the schema with this one, byte for byte, so that nothing in the file but rows is a stranger's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np

from indexer.backup.verify import integrity
from indexer.database.stoppable_thread import Check, stoppable
from indexer.errors import Reason, StorageError, TellPerson
from indexer.query.tag_names import MOST_TAGS, tag_name
from indexer.records.ids import COLLECTION_SHIFT, MADE_UP
from indexer.records.messages import ChannelKind, PlaceFlag, Source

Tell = Callable[[str, int, int | None], None]

PAGE_BYTES = 16_384  # an embedding of 512 dimensions has 1 KiB: fifteen of them in a page waste little
MODEL_SHIFT = 40
MOST_MODELS = 1 << 20
VECTORS_AT_ONCE = 4_096
# Three texts of a million characters have 12 MB at most. A CHECK of a text's length counts up to its first U+0000.
MOST_ROW_BYTES = 1 << 24
# What an import holds in memory as a whole; a server has at most some thousand channels, and threads.
MOST_ROWS = {"guilds": 10_000, "channels": 1_000_000, "origins": 10_000, "models": 100, "spans": 1_000_000}
MOST_KIND = 50  # characters of an archive's kind: where it comes in, a word may be put before it
LENGTH_TOLERANCE = 1e-2  # of a vector's length, as for one that a model gives (indexer/store/embeddings.py)

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
    embedding_id INTEGER PRIMARY KEY CHECK (embedding_id > 0),
    vector       BLOB NOT NULL
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

# What must hold between rows and no constraint says: a query that finds a row where it does not, and the fault.
_RULES: Final = (
    ("SELECT 1 FROM origins WHERE NOT json_valid(media_folders)", "folders that are no list"),
    (f"SELECT 1 FROM origins WHERE length(kind) > {MOST_KIND}", "an archive of a kind that cannot be one"),
    ("SELECT 1 FROM spans WHERE high = 9223372036854775807", "a span beyond all ids"),
    (f"SELECT 1 FROM places WHERE flags > {sum(PlaceFlag)}", "a picture with a property that is unknown here"),
    (
        "SELECT 1 FROM (SELECT message_id AS id, guild_id FROM messages UNION ALL SELECT channel_id, guild_id FROM"
        f" channels) WHERE max(id, guild_id) >= {MADE_UP}"
        f" AND id >> {COLLECTION_SHIFT} != guild_id >> {COLLECTION_SHIFT}",
        "an id of another collection",
    ),
    (f"SELECT 1 FROM tags GROUP BY message_id, ordinal HAVING count(*) > {MOST_TAGS}", "too many tags of one picture"),
    ("SELECT 1 FROM pictures GROUP BY sha256 HAVING count(*) > 1", "one picture twice"),
    (
        "SELECT 1 FROM messages m JOIN channels c USING (channel_id) WHERE m.guild_id != c.guild_id",
        "a message of another server than its channel's",
    ),
    (
        "SELECT 1 FROM messages WHERE origin_id != 0 AND origin_id NOT IN (SELECT origin_id FROM origins)",
        "a message of an origin that it does not have",
    ),
    (
        "SELECT 1 FROM (SELECT origin_id FROM guilds UNION SELECT origin_id FROM channels UNION SELECT origin_id FROM"
        " spans) WHERE origin_id != 0 AND origin_id NOT IN (SELECT origin_id FROM origins)",
        "a channel or span of an origin that it does not have",
    ),
    (
        "SELECT 1 FROM places p JOIN pictures c USING (picture_id) WHERE p.state = 'ready' AND c.state != 'ready'",
        "a place that shows a picture which cannot be searched",
    ),
    (
        f"SELECT 1 FROM embeddings WHERE embedding_id >> {MODEL_SHIFT} NOT IN (SELECT model_id FROM models)",
        "an embedding of a model that it does not have",
    ),
    (
        "SELECT 1 FROM embeddings WHERE NOT EXISTS (SELECT 1 FROM pictures WHERE state = 'ready'"
        f" AND picture_id = embedding_id & {(1 << MODEL_SHIFT) - 1})",
        "an embedding of a picture that it does not have",
    ),
)  # fmt: skip
_WORDS: Final[tuple[tuple[str, type[StrEnum]], ...]] = (
    ("SELECT DISTINCT kind FROM channels", ChannelKind),
    ("SELECT DISTINCT source FROM places", Source),
    ("SELECT DISTINCT reason FROM places WHERE reason IS NOT NULL", Reason),
    ("SELECT DISTINCT reason FROM pictures WHERE reason IS NOT NULL", Reason),
)


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


def check(path: Path, stop: Check, tell: Tell) -> None:
    """Raises StorageError, saying what is wrong, for a database that a bundle of ours cannot have. Blocks."""
    tell("rows checked", 0, None)
    try:
        # Not `connect`: of a database that it may not write, SQLite ignores every CHECK.
        with closing(sqlite3.connect(path, isolation_level=None)) as connection, stoppable(connection, stop):
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_ROW_BYTES)
            _check_schema(connection)
            if faults := integrity(connection):
                raise StorageError(f"Its rows are damaged or forged ({faults[0].text}).")
            _check_counts(connection)
            _check_texts(connection)
            for sql, fault in _RULES:
                if connection.execute(f"{sql} LIMIT 1").fetchone() is not None:
                    raise StorageError(f"It has {fault}.")
            for sql, words in _WORDS:
                _check_words((word for (word,) in connection.execute(sql)), words)
            _check_tags(tag for (tag,) in connection.execute("SELECT DISTINCT tag FROM tags"))
            _check_vectors(connection, stop, tell)
    except sqlite3.DatabaseError as error:
        raise StorageError(f"Its rows cannot be read ({error}).") from error


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Rows of each table. Blocks."""
    return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}


def counts_of(path: Path) -> dict[str, int]:
    """As `counts`, of a file that nobody writes. Blocks."""
    with closing(connect(path)) as connection:
        return counts(connection)


def _check_schema(connection: sqlite3.Connection) -> None:
    found = {sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
    if found != set(SCHEMA):
        raise StorageError("Its tables are not those of this format.")


def _check_counts(connection: sqlite3.Connection) -> None:
    for table, most in MOST_ROWS.items():
        ((count,),) = connection.execute(f"SELECT count(*) FROM {table}")
        if count > most:
            raise StorageError(f"It has {count:,} {table}, and {most:,} can come in at most.")


def _check_texts(connection: sqlite3.Connection) -> None:
    """SQLite takes any bytes as a text. Those that are not UTF-8 could be stored, and every search that finds them
    would fail.
    """
    for table in TABLES:
        described = connection.execute(f"PRAGMA table_info({table})").fetchall()
        if not (texts := [name for _, name, kind, *_ in described if kind == "TEXT"]):
            continue
        connection.text_factory = bytes
        try:
            for row in connection.execute(f"SELECT {', '.join(texts)} FROM {table}"):
                b"\n".join(filter(None, row)).decode()
        except UnicodeDecodeError as error:
            raise StorageError("It has a text that is not UTF-8.") from error
        finally:
            connection.text_factory = str


def _check_words(found: Iterable[str], words: type[StrEnum]) -> None:
    known = {word.value for word in words}
    for word in found:
        if word not in known:
            raise StorageError(f"This version does not know {word[:40]!r}, which it uses.")


def _check_tags(found: Iterable[str]) -> None:
    for tag in found:
        try:
            same = tag_name(tag) == tag
        except TellPerson:
            same = False
        if not same:
            raise StorageError("It has a tag that cannot be one.")


def _check_vectors(connection: sqlite3.Connection, stop: Check, tell: Tell) -> None:
    ((total,),) = connection.execute("SELECT count(*) FROM embeddings")
    done = 0
    for model_id, dimension in connection.execute("SELECT model_id, dimension FROM models").fetchall():
        cursor = connection.execute(
            "SELECT vector FROM embeddings WHERE embedding_id >= ? AND embedding_id < ?",
            (model_id << MODEL_SHIFT, model_id + 1 << MODEL_SHIFT),
        )
        while rows := cursor.fetchmany(VECTORS_AT_ONCE):
            stop()
            _check_unit([vector for (vector,) in rows], dimension)
            done += len(rows)
            tell("embeddings checked", done, total)


def _check_unit(vectors: list[bytes], dimension: int) -> None:
    if any(len(vector) != 2 * dimension for vector in vectors):
        raise StorageError("It has an embedding of another length than its model's.")
    values = np.frombuffer(b"".join(vectors), "<f2").reshape(-1, dimension).astype(np.float32)
    squares = np.einsum("ij,ij->i", values, values)
    if not (np.abs(np.sqrt(squares) - 1) < LENGTH_TOLERANCE).all():  # also false for what is not finite
        raise StorageError("It has an embedding that is not of unit length.")
