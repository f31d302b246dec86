"""The check of a bundle's database that a stranger may have written.

Its schema is first compared with ours, byte for byte, so that nothing in the file but rows is a stranger's. What SQLite
itself checks then holds; the rules below are what must hold between rows and no constraint says.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np

from indexer.backup.checked_tar import Tell
from indexer.backup.verify import integrity
from indexer.bundles.content import MODEL_SHIFT, SCHEMA, TABLES
from indexer.database.stoppable_thread import Check, stoppable
from indexer.errors import Reason, StorageError, TellPerson
from indexer.query.tag_names import MOST_TAGS, tag_name
from indexer.records.ids import COLLECTION_SHIFT, MADE_UP
from indexer.records.messages import ChannelKind, PlaceFlag, Source
from indexer.records.picture_texts import TextKind
from indexer.settings import MOST_FRAMES

VECTORS_AT_ONCE = 4_096
# Three texts of a million characters have 12 MB at most. A CHECK of a text's length counts up to its first U+0000.
MOST_ROW_BYTES = 1 << 24
# What an import holds in memory as a whole; a server has at most some thousand channels, and threads.
MOST_ROWS = {"guilds": 10_000, "channels": 1_000_000, "origins": 10_000, "models": 100, "spans": 1_000_000}
# Of another bot's bundle, an opt-out everywhere becomes one of each of its servers.
MOST_OPT_OUTS = 10_000_000
MOST_KIND = 50  # characters of an archive's kind: where it comes in, a word may be put before it
LENGTH_TOLERANCE = 1e-2  # of a vector's length, as for one that a model gives (indexer/store/embeddings.py)

# A query that finds a row where it does not, and the fault.
_RULES: Final = (
    ("SELECT 1 FROM origins WHERE NOT json_valid(media_folders)", "folders that are no list"),
    (
        "SELECT 1 WHERE (SELECT count(*) FROM guilds) * (SELECT count(*) FROM opt_outs WHERE guild_id = 0)"
        f" > {MOST_OPT_OUTS}",
        "more opt-outs than can come in",
    ),
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
    (
        f"SELECT 1 FROM frames GROUP BY embedding_id HAVING count(*) >= {MOST_FRAMES}",
        "more frames of one animation than can come in",
    ),
)  # fmt: skip
_WORDS: Final[tuple[tuple[str, type[StrEnum]], ...]] = (
    ("SELECT DISTINCT kind FROM channels", ChannelKind),
    ("SELECT DISTINCT source FROM places", Source),
    ("SELECT DISTINCT reason FROM places WHERE reason IS NOT NULL", Reason),
    ("SELECT DISTINCT reason FROM pictures WHERE reason IS NOT NULL", Reason),
    ("SELECT DISTINCT kind FROM picture_texts", TextKind),
)


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
    ((total,),) = connection.execute("SELECT (SELECT count(*) FROM embeddings) + (SELECT count(*) FROM frames)")
    done = 0
    for model_id, dimension in connection.execute("SELECT model_id, dimension FROM models").fetchall():
        for table in ("embeddings", "frames"):
            cursor = connection.execute(
                f"SELECT vector FROM {table} WHERE embedding_id >= ? AND embedding_id < ?",
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
