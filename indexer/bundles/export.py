"""Makes a bundle: one file with what is stored of some servers or channels, while the bot runs or not.

As with a backup, the file gets its own name when it is whole and on the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.backup import checked_tar
from indexer.backup.manifest import own_version
from indexer.backup.whole_file import whole_file
from indexer.bundles import bundle_file, content
from indexer.bundles.bundle_file import (
    BUNDLE,
    CONTENT,
    FORMAT,
    BundledGuild,
    BundledModel,
    BundleManifest,
    BundlePart,
)
from indexer.bundles.gather import Gathered, Selection, gather
from indexer.database import migrate
from indexer.database.database import FILE_NAME
from indexer.database.stoppable_thread import Check, in_stoppable_thread
from indexer.platforms.processes import NICE

Tell = Callable[[str, int, int | None], None]

WORK_PREFIX = ".afterimage-export-"


@dataclass(frozen=True, slots=True)
class Exported:
    """A bundle that is whole and on the disk."""

    path: Path
    byte_count: int
    manifest: BundleManifest

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"file": str(self.path), "bytes": self.byte_count, "manifest": self.manifest.as_dict()}


async def export_bundle(data_dir: Path, selection: Selection, target: Path, tell: Tell) -> Exported:
    """Makes the bundle `target`, beside a bot that runs on the data folder too. Compressed where it ends in .zst.

    Raises StorageError where there is no sound database, where `target` exists or cannot be written; DiskFull where
    there is no room; TellPerson where nothing of the selection is stored.
    """
    return await in_stoppable_thread(lambda check: export(data_dir, selection, target, check, tell), nice=NICE)


def export(data_dir: Path, selection: Selection, target: Path, check: Check, tell: Tell) -> Exported:
    """`export_bundle`, in a thread that may be stopped. Blocks."""
    database = data_dir / FILE_NAME
    migrate.check(database)
    damaged = f"{database} is damaged ({{reason}}): no bundle was made. `afterimage verify` says more."
    with whole_file(target, WORK_PREFIX, "bundle", damaged) as work:
        rows = work / CONTENT
        gathered = gather(database, selection, rows, check, tell)
        part = checked_tar.part_of(CONTENT, rows, check)
        parts = (BundlePart(part.name, part.byte_count, part.sha256),)
        manifest = describe(rows, gathered, selection, parts)
        draft = work / target.name
        bundle_file.write(draft, manifest, rows, check, tell)
        return Exported(target, draft.stat().st_size, manifest)


def describe(
    rows: Path, gathered: Gathered, selection: Selection, parts: tuple[BundlePart, ...] = ()
) -> BundleManifest:
    """The manifest of what was gathered into the file `rows`. Blocks."""
    with closing(content.connect(rows)) as connection:
        guilds = connection.execute(
            "SELECT g.guild_id, g.name, (SELECT count(*) FROM channels c WHERE c.guild_id = g.guild_id),"
            " (SELECT count(*) FROM messages m WHERE m.guild_id = g.guild_id),"
            " (SELECT count(*) FROM messages m JOIN places USING (message_id) WHERE m.guild_id = g.guild_id)"
            " FROM guilds g ORDER BY g.guild_id"
        ).fetchall()
        models = connection.execute(
            "SELECT name, pretrained, dimension, fingerprint, (SELECT count(*) FROM embeddings WHERE embedding_id"
            f" BETWEEN model_id << {content.MODEL_SHIFT} AND (model_id + 1 << {content.MODEL_SHIFT}) - 1)"
            " FROM models ORDER BY model_id"
        ).fetchall()
    return BundleManifest(
        kind=BUNDLE,
        format=FORMAT,
        version=own_version(),
        created_ms=gathered.at_ms,
        application_id=gathered.application_id,
        guilds=tuple(BundledGuild(*guild) for guild in guilds),
        channels=selection.channels,
        models=tuple(BundledModel(*model) for model in models),
        counts=dict(gathered.counts),
        parts=parts,
    )
