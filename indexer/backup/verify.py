"""Looks whether a data folder is sound: the database, its indexes of words, and the files beside it. Writes nothing.

It works beside a running bot, and without one. What is derived and makes itself anew is counted too: a fault there
costs time and no data, but somebody may want to know why.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from indexer.backup.exchange import PREFIX
from indexer.database import migrate, unfinished
from indexer.database.connections import connect_readonly, error_code
from indexer.database.database import FILE_NAME
from indexer.database.stoppable_thread import Check, in_stoppable_thread, stoppable
from indexer.errors import StorageError
from indexer.features.kept_features import features_file
from indexer.thumbnails.thumbnail_file import thumbnail_file
from indexer.vectors import check as vectors_check
from indexer.vectors.check import IndexCheck
from indexer.vectors.segment import FOLDER_NAME, SUFFIX

Tell = Callable[[str, int, int | None], None]  # what is done, how much of it, of how much (None: unknown)

MOST_LINES = 100  # of SQLite's own check, which would print a line for every row of a broken index
COUNTED = ("guilds", "channels", "messages", "places", "pictures", "embeddings", "opt_outs", "segments")
WORDS = {  # each index of words, with what it must hold
    "words": "texts",
    "words_trigram": "unspaced_texts",
    "shown_words": "shown_texts",
    "shown_words_trigram": "unspaced_shown_texts",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` is for programs, `text` for a person, `count` says how many there are."""

    kind: str
    text: str
    count: int = 1


@dataclass(slots=True)
class Verification:
    """What was found. `faults` are wrong; `notes` are worth knowing. `schema` is None where it cannot be read."""

    path: Path
    schema: int | None = None
    counts: dict[str, int] = field(default_factory=dict)
    faults: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not self.faults

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "database": str(self.path),
            "sound": self.sound,
            "schema": self.schema,
            "counts": self.counts,
            "faults": [_as_dict(finding) for finding in self.faults],
            "notes": [_as_dict(finding) for finding in self.notes],
        }


async def verify(data_dir: Path, tell: Tell) -> Verification:
    """Reads everything there is in the folder. Raises StorageError where there is no database."""
    return await in_stoppable_thread(lambda check: look_through(data_dir, check, tell))


def look_through(data_dir: Path, check: Check, tell: Tell) -> Verification:
    """`verify`, in a thread that may be stopped. Blocks."""
    found = Verification(data_dir / FILE_NAME)
    if not found.path.exists():
        unfinished.refuse(data_dir)
        raise StorageError(f"There is no database at {found.path}. Start the bot once, or check data_dir.")
    if (waiting := unfinished.reason(data_dir)) is not None:
        found.faults.append(Finding("unfinished", waiting))
    try:
        with closing(connect_readonly(found.path)) as connection, stoppable(connection, check):
            _verify(connection, data_dir, found, check, tell)
    except StorageError as error:
        found.faults.append(Finding("database", str(error)))
    except sqlite3.DatabaseError as error:
        if not _damage(error):
            raise
        text = f"the database is damaged and cannot be read further ({error})"
        found.faults.append(Finding("database", text))
    return found


def integrity(connection: sqlite3.Connection) -> list[Finding]:
    """What SQLite's own two checks find in the database of `connection`. Blocks."""
    found: list[Finding] = []
    try:
        for (text,) in connection.execute(f"PRAGMA integrity_check({MOST_LINES})"):
            found += [Finding("integrity", f"SQLite: {line}") for line in str(text).splitlines() if line != "ok"]
        references = Counter((row[0], row[2]) for row in connection.execute("PRAGMA foreign_key_check"))
    except sqlite3.DatabaseError as error:
        if not _damage(error):
            raise
        return [*found, Finding("integrity", f"SQLite cannot read all of it ({error})")]
    for (table, parent), count in references.items():
        text = f"{count:,} rows of {table} name a row of {parent} that is not there"
        found.append(Finding("foreign-keys", text, count))
    return found


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """How many rows the tables hold that a person asks for."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return {
        table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 -- a constant
        for table in COUNTED
        if table in tables
    }


def _verify(connection: sqlite3.Connection, data_dir: Path, found: Verification, check: Check, tell: Tell) -> None:
    newest = len(migrate.shipped())
    found.schema = migrate.schema_version(connection, found.path)
    if found.schema > newest:
        text = f"its schema is {found.schema}, and this version of Afterimage knows {newest} at most: use the newer one"
        found.faults.append(Finding("schema", text))
        return
    tell("database", 0, None)
    found.faults += integrity(connection)
    if found.schema < newest:
        text = f"its schema is {found.schema}: the next start of the bot upgrades it to {newest}"
        found.notes.append(Finding("schema", text))
        return
    for part in (_counts, _words, _rows):
        check()
        try:
            part(connection, found)
        except sqlite3.DatabaseError as error:
            if not _damage(error):
                raise
            found.faults.append(Finding("database", f"{part.__name__.strip('_')} cannot be read ({error})"))
    _indexes(connection, data_dir / FOLDER_NAME, found, check, tell)
    _archives(connection, found)
    _derived(data_dir, found)
    _former_databases(data_dir, found)


def _counts(connection: sqlite3.Connection, found: Verification) -> None:
    found.counts = counts(connection)


def _words(connection: sqlite3.Connection, found: Verification) -> None:
    """SQLite checks the indexes of words itself only where it may write, so what they list is compared here."""
    for index, content in WORDS.items():
        ((lacking,),) = connection.execute(
            f"SELECT count(*) FROM {content} WHERE message_id NOT IN (SELECT id FROM {index}_docsize)"  # noqa: S608 -- constants
        )
        ((surplus,),) = connection.execute(
            f"SELECT count(*) FROM {index}_docsize WHERE id NOT IN (SELECT message_id FROM {content})"  # noqa: S608 -- constants
        )
        if lacking:
            text = f"the index {index} lacks {lacking:,} texts: they are not found by their words"
            found.faults.append(Finding("words", text, lacking))
        if surplus:
            text = f"the index {index} lists {surplus:,} texts that are not stored"
            found.faults.append(Finding("words", text, surplus))


def _rows(connection: sqlite3.Connection, found: Verification) -> None:
    """What every transaction keeps true, and no constraint of the schema says."""
    faults: Mapping[str, tuple[str, str]] = {
        "embedding-length": (
            "SELECT count(*) FROM embeddings e JOIN models m USING (model_id) WHERE length(vector) != 2 * dimension",
            "{:,} embeddings have another length than their model's",
        ),
        "frame-length": (
            "SELECT count(*) FROM frames f JOIN models m USING (model_id) WHERE length(vector) != 2 * dimension",
            "{:,} frames of animations have embeddings of another length than their model's",
        ),
        "texts": (
            "SELECT count(*) FROM messages WHERE message_id NOT IN (SELECT message_id FROM texts)",
            "{:,} messages have no row for their text",
        ),
        "place-guild": (
            "SELECT count(*) FROM places p JOIN messages m USING (message_id) WHERE p.guild_id != m.guild_id",
            "{:,} places name another server than their message does",
        ),
    }
    for kind, (sql, text) in faults.items():
        ((count,),) = connection.execute(sql)
        if count:
            found.faults.append(Finding(kind, text.format(count), count))
    ((unshown,),) = connection.execute(
        "SELECT count(*) FROM pictures p WHERE NOT EXISTS (SELECT 1 FROM places WHERE picture_id = p.picture_id)"
    )
    if unshown:
        text = (
            f"{unshown:,} pictures are shown by no message: a salvage kept them, so that they are not embedded again"
            " when their messages are read anew"
        )
        found.notes.append(Finding("unshown-pictures", text, unshown))


def _indexes(connection: sqlite3.Connection, folder: Path, found: Verification, check: Check, tell: Tell) -> None:
    every = vectors_check.indexes(connection)
    waiting = 0
    for done, (guild_id, model_id, dimension) in enumerate(every):
        tell("indexes", done, len(every))
        result = vectors_check.check_index(connection, folder, guild_id, model_id, dimension, check)
        found.faults += _faults_of(result)
        waiting += result.waiting
    if waiting:
        text = f"{waiting:,} embedded places are in no segment yet: they are searched in memory or in the database"
        found.notes.append(Finding("waiting", text, waiting))
    names = {name for (name,) in connection.execute("SELECT name FROM segments")}
    orphans = [path for path in folder.glob(f"*/*/*{SUFFIX}") if path.stem not in names]
    if orphans:
        text = f"{len(orphans):,} files in {folder} belong to no index: the bot removes them"
        found.notes.append(Finding("orphans", text, len(orphans)))


def _faults_of(result: IndexCheck) -> list[Finding]:
    index = f"index of server {result.guild_id}, model {result.model_id}"
    faults = [Finding("segment-damaged", f"{why}: the bot makes it anew", 1) for why in result.damaged]
    if result.missing:
        text = f"{index}: {result.missing:,} embedded places are in no segment, so that they are not found"
        faults.append(Finding("segment-missing", text, result.missing))
    if result.surplus:
        text = f"{index}: {result.surplus:,} places of its segments are not in the database"
        faults.append(Finding("segment-surplus", text, result.surplus))
    if result.differing:
        text = f"{index}: {result.differing:,} places or vectors are not those of the database"
        faults.append(Finding("segment-differing", text, result.differing))
    return faults


def _archives(connection: sqlite3.Connection, found: Verification) -> None:
    """Archives that were imported, and their files: whoever runs the bot may have moved them."""
    gone = [
        location for (location,) in connection.execute("SELECT location FROM origins") if not Path(location).exists()
    ]
    if gone:
        text = f"{len(gone):,} imported archives are not where they were: {', '.join(gone[:3])}"
        found.notes.append(Finding("archives", text, len(gone)))
    paths = connection.execute("SELECT path FROM places WHERE path IS NOT NULL")
    missing = sum(not _lies_there(Path(path)) for (path,) in paths)
    if missing:
        text = f"{missing:,} pictures of imported archives have no file any more: their hits open nothing"
        found.notes.append(Finding("archive-files", text, missing))


def _derived(data_dir: Path, found: Verification) -> None:
    """They are derived: the bot makes them anew."""
    if (why := thumbnail_file(data_dir, 0, write=False).check()) is not None:
        text = f"the file of thumbnails is damaged ({why}): the bot deletes it and makes it anew"
        found.notes.append(Finding("thumbnails", text))
    if (why := features_file(data_dir, 0, write=False).check()) is not None:
        text = f"the file of the second model's features is damaged ({why}): the bot deletes it and makes it anew"
        found.notes.append(Finding("features", text))


def _former_databases(data_dir: Path, found: Verification) -> None:
    """What restore and salvage moved aside: nothing that is deleted from now on is deleted there."""
    folders = [path for path in data_dir.glob(f"{PREFIX}*") if path.is_dir()]
    if folders:
        text = (
            f"{len(folders):,} folders {PREFIX}… in {data_dir} hold former databases, with what members have deleted"
            " since: delete these folders when all is well"
        )
        found.notes.append(Finding("former-databases", text, len(folders)))


def _lies_there(path: Path) -> bool:
    """Whether the file is there, or the .zip that it is in."""
    return path.exists() or any(parent.is_file() for parent in path.parents)


def _damage(error: sqlite3.DatabaseError) -> bool:
    return error_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR)


def _as_dict(finding: Finding) -> dict[str, Any]:
    return {"kind": finding.kind, "text": finding.text, "count": finding.count}
