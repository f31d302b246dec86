"""A server goes into a data folder of its own: copied, compared row by row, and only then deleted where it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from indexer.backup.verify import look_through
from indexer.backup.work_folder import work_folder
from indexer.bundles import content
from indexer.bundles.bundle_file import CONTENT
from indexer.bundles.bundle_import import WORK_PREFIX
from indexer.bundles.gather import Selection, gather
from indexer.bundles.ownership import Ownership
from indexer.bundles.storing import Stored, store
from indexer.database.database import FILE_NAME, Database, connect_readonly, open_database
from indexer.database.stoppable_thread import in_stoppable_thread
from indexer.errors import StorageError
from indexer.records.ids import GuildId
from indexer.settings import CrawlSettings
from indexer.store import application, guilds

Tell = Callable[[str, int, int | None], None]

EVERYTHING = CrawlSettings(messages="all")  # what the former folder kept, the new one has, whatever it keeps later

# Each finds rows that were gathered and are not in the new folder as they were.
_LACKING = {
    "channels": "SELECT count(*) FROM bundle.channels b WHERE NOT EXISTS (SELECT 1 FROM main.channels c"
    " WHERE (c.channel_id, c.guild_id) = (b.channel_id, b.guild_id))",
    "messages": "SELECT count(*) FROM bundle.messages b WHERE NOT EXISTS (SELECT 1 FROM main.messages m"
    " JOIN main.texts t USING (message_id) WHERE m.message_id = b.message_id"
    " AND (m.guild_id, m.channel_id, m.author_id, t.content, t.file_names, t.alt_texts)"
    "   = (b.guild_id, b.channel_id, b.author_id, b.content, b.file_names, b.alt_texts)"
    " AND m.edited_ms IS b.edited_ms)",
    "pictures in messages": "SELECT count(*) FROM bundle.places b LEFT JOIN bundle.pictures s USING (picture_id)"
    " WHERE NOT EXISTS (SELECT 1 FROM main.places p LEFT JOIN main.pictures c USING (picture_id)"
    " WHERE p.message_id = b.message_id AND p.ordinal = b.ordinal AND p.link = b.link AND c.sha256 IS s.sha256)",
    "embeddings": "SELECT count(*) FROM bundle.embeddings b JOIN bundle.models n"
    f" ON n.model_id = b.embedding_id >> {content.MODEL_SHIFT}"
    f" JOIN bundle.pictures s ON s.picture_id = b.embedding_id & {(1 << content.MODEL_SHIFT) - 1}"
    " WHERE NOT EXISTS (SELECT 1 FROM main.pictures c JOIN main.embeddings e USING (picture_id)"
    "   JOIN main.models m USING (model_id) WHERE c.sha256 = s.sha256 AND e.vector = b.vector"
    "   AND (m.name, m.pretrained, m.dimension, m.fingerprint) = (n.name, n.pretrained, n.dimension, n.fingerprint))",
    "frames of animations": "SELECT count(*) FROM bundle.frames b JOIN bundle.models n"
    f" ON n.model_id = b.embedding_id >> {content.MODEL_SHIFT}"
    f" JOIN bundle.pictures s ON s.picture_id = b.embedding_id & {(1 << content.MODEL_SHIFT) - 1}"
    " WHERE NOT EXISTS (SELECT 1 FROM main.pictures c JOIN main.frames f USING (picture_id)"
    "   JOIN main.models m USING (model_id) WHERE c.sha256 = s.sha256 AND (f.at_ms, f.vector) = (b.at_ms, b.vector)"
    "   AND (m.name, m.pretrained, m.dimension, m.fingerprint) = (n.name, n.pretrained, n.dimension, n.fingerprint))",
    "tags": "SELECT count(*) FROM bundle.tags b WHERE NOT EXISTS (SELECT 1 FROM main.places p JOIN main.tags t"
    " USING (place_id) WHERE p.message_id = b.message_id AND p.ordinal = b.ordinal AND t.tag = b.tag)",
    "texts of pictures": "SELECT count(*) FROM bundle.picture_texts b JOIN bundle.pictures s USING (picture_id)"
    " WHERE NOT EXISTS (SELECT 1 FROM main.pictures c JOIN main.picture_texts t USING (picture_id)"
    "   WHERE c.sha256 = s.sha256 AND t.kind = b.kind AND t.body = b.body)",
    "stretches of history": "SELECT count(*) FROM bundle.spans b WHERE b.origin_id = 0 AND NOT EXISTS ("
    " SELECT 1 FROM main.spans s WHERE s.channel_id = b.channel_id AND s.origin_id = 0"
    "   AND s.low <= b.low AND s.high >= b.high)",
    "camera data": "SELECT count(*) FROM bundle.exif b WHERE NOT EXISTS (SELECT 1 FROM main.places p JOIN main.exif e"
    " USING (place_id) WHERE p.message_id = b.message_id AND p.ordinal = b.ordinal"
    " AND (e.camera, e.lens) = (b.camera, b.lens) AND e.x IS b.x AND e.y IS b.y AND e.z IS b.z)",
    "messages deleted by hand": "SELECT count(*) FROM bundle.deleted_here b WHERE NOT EXISTS ("
    " SELECT 1 FROM main.deleted_here d WHERE d.message_id = b.message_id)",
    "opt-outs": "SELECT count(*) FROM bundle.opt_outs b WHERE NOT EXISTS ("
    " SELECT 1 FROM main.opt_outs o WHERE o.guild_id = b.guild_id AND o.user_id = b.user_id)",
    "deletions": "SELECT count(*) FROM bundle.deletions b WHERE NOT EXISTS ("
    " SELECT 1 FROM main.deletions d WHERE d.message_id = b.message_id)",
}


@dataclass(frozen=True, slots=True)
class Copied:
    """A server that is whole in the data folder `folder`."""

    guild_id: GuildId
    folder: Path
    stored: Stored

    def as_dict(self, deleted: bool) -> dict[str, Any]:
        """For JSON. `deleted`: whether it is gone where it was."""
        told = {"id": str(self.guild_id), "folder": str(self.folder), "deleted_here": deleted}
        stored = asdict(self.stored)
        return {**told, **{name: stored[name] for name in ("messages", "known", "pictures", "embeddings", "opt_outs")}}


async def copy_out(data_dir: Path, guild_id: GuildId, folder: Path, tell: Tell) -> Copied:
    """Copies a server from `data_dir` into the data folder `folder`, and compares both. Killed, the same call goes on.

    The new folder belongs to the same bot. Raises StorageError where `folder` has another server already, where another
    process writes it, or where something is missing in it at the end; TellPerson where nothing of the server is stored.
    """
    with work_folder(data_dir, WORK_PREFIX) as work:
        rows = work / CONTENT
        gathered = await in_stoppable_thread(
            lambda check: gather(data_dir / FILE_NAME, Selection((guild_id,)), rows, check, tell)
        )
        async with open_database(folder) as db:
            await _require_own(db, folder, guild_id, gathered.application_id)
            ownership = Ownership(gathered.application_id, str(data_dir), "", same_machine=True)
            stored = await store(db, rows, ownership, EVERYTHING, tell, alone=True)
        tell("rows compared", 0, None)
        await asyncio.to_thread(_compare, folder / FILE_NAME, rows)
        verified = await in_stoppable_thread(lambda check: look_through(folder, check, tell))
        if verified.faults:
            raise StorageError(f"{folder} is not sound ({verified.faults[0].text}). Nothing was deleted anywhere.")
    return Copied(guild_id, folder, stored)


async def _require_own(db: Database, folder: Path, guild_id: GuildId, application_id: int | None) -> None:
    async with db.reader() as connection:
        others = [guild.name for guild in await guilds.known(connection) if guild.id != guild_id]
        own = await application.get(connection)
    if others or (own is not None and own != application_id):
        whose = f"the server {others[0]}" if others else f"the bot with application id {own}"
        raise StorageError(
            f"{folder} has {whose} already: a server is split into a folder of its own. `afterimage merge` joins"
            " folders."
        )


def _compare(database: Path, rows: Path) -> None:
    """Raises StorageError where something of `rows` is missing in the database. Blocks."""
    with closing(connect_readonly(database)) as connection:
        connection.execute("ATTACH ? AS bundle", (content.uri(rows),))
        for what, sql in _LACKING.items():
            ((count,),) = connection.execute(sql)
            if count:
                raise StorageError(
                    f"{count:,} {what} are missing in {database.parent}, or differ there. Nothing was deleted anywhere;"
                    " please report it."
                )
