"""`import` on a running bot: it opens archives itself, and reads them as jobs that outlive the command and the bot.

A bundle comes in at once, in steps between which others write.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from bot.control.handler import Handler, Tell, Values
from bot.control.operations import optional_id, wants_cluster
from indexer.errors import TellPerson
from indexer.records.ids import GuildId
from indexer.service import Service

TOLD_EVERY_S = 5.0


def imports(service: Service) -> dict[str, Handler]:
    """`import`, `import-bundles`, `merge`, and what moves a server here, on this service. Of bundles and folders one
    comes in at a time.
    """
    turn = asyncio.Lock()
    return {
        "import": partial(_import, service),
        "import-bundles": partial(_import_bundles, service, turn),
        "merge": partial(_merge, service, turn),
        "take-in": partial(_take_in, service, turn),
        "take-promises": partial(_take_promises, service),
    }


async def _import(service: Service, values: Values, tell: Tell) -> Values:
    """`paths` and `media`, lists of absolute paths, `name`, of a collection, or null, and `fleet`, whether the cluster
    opens and embeds the files → `jobs`, how many started.

    Raises TellPerson where there is nothing at a path that the bot can read, after the jobs of those before it.
    """
    # Imported where an archive comes: they take a twelfth of a start, and most bots never read one.
    from indexer.archives.export import open_export
    from indexer.archives.export_options import export_options
    from indexer.imports.archive_import import note_origin, read_collection, start_jobs
    from indexer.imports.archive_opener import Importable, is_collection

    paths, media = _paths(values, "paths"), _paths(values, "media")
    name = values.get("name")
    if not (name is None or isinstance(name, str)):
        raise TellPerson("cli-needs", name="name")
    fleet = await wants_cluster(service, values, tell)
    options = export_options(service.settings)
    started = 0
    for path in paths:
        tell(f"the bot looks through {path}")
        archive: Importable
        if name is not None or await is_collection(service.settings, path):
            archive = await read_collection(service, path, name)
        else:
            archive = await asyncio.to_thread(open_export, path, options, media)
        read = archive.survey.documents and any(counts.messages for counts in archive.survey.counts.values())
        if not read and (archive.problems.count or not archive.survey.documents):
            # The command could read it: the bot is another user, or sees other folders.
            raise TellPerson("archive-not-for-bot", path=str(path))
        origin = await note_origin(service, archive)
        started += len(await start_jobs(service, archive, origin, fleet=fleet))
    return {"jobs": started}


async def _import_bundles(service: Service, turn: asyncio.Lock, values: Values, tell: Tell) -> Values:
    """`paths`, a list of absolute paths → `bundles`, what each brought.

    Raises TellPerson where there is no bundle at a path that the bot can read, StorageError for one that is not whole
    or forged, after those before it came in.
    """
    from indexer.bundles.bundle_import import import_bundle, is_bundle

    found = []
    for path in _paths(values, "paths"):
        if not await asyncio.to_thread(is_bundle, path):
            raise TellPerson("archive-not-for-bot", path=str(path))
        if turn.locked():
            tell("another bundle is coming in; this one is next")
        async with turn:
            found.append(await import_bundle(service, service.settings, path, _told(tell), alone=False))
    return {"bundles": [imported.as_dict() for imported in found]}


async def _merge(service: Service, turn: asyncio.Lock, values: Values, tell: Tell) -> Values:
    """`folder`, an absolute path, and `adopt` → what it brought. Raises StorageError as `merge`."""
    from indexer.bundles.merge import merge

    (folder,) = _paths({"folder": [values.get("folder")]}, "folder")
    if turn.locked():
        tell("another command brings rows in; this one is next")
    async with turn:
        adopt = values.get("adopt") is True
        return (await merge(service, service.settings, folder, _told(tell), adopt=adopt, alone=False)).as_dict()


async def _take_in(service: Service, turn: asyncio.Lock, values: Values, tell: Tell) -> Values:
    """`guild`, `rows` and `source`, absolute paths, and `application` or null → what came in.

    The rows were gathered by the command, which holds the source's lock. Raises StorageError as `take_in`.
    """
    from indexer.bundles.moving import Parcel, take_in

    rows, source = _paths({"paths": [values.get("rows"), values.get("source")]}, "paths")
    guild_id = optional_id(values, "guild")
    if guild_id is None or not await asyncio.to_thread(rows.is_file):
        raise TellPerson("archive-not-for-bot", path=str(rows))
    if turn.locked():
        tell("another command brings rows in; this one is next")
    async with turn:
        parcel = Parcel(GuildId(guild_id), rows, source, optional_id(values, "application"))
        return asdict(await take_in(service, service.settings.data_dir, parcel, _told(tell), alone=False))


async def _take_promises(service: Service, values: Values, tell: Tell) -> Values:
    """`source`, the data folder of another process of this bot → `opt_outs` everywhere that were new here."""
    from indexer.bundles.moving import keep_promises

    (source,) = _paths({"source": [values.get("source")]}, "source")
    return {"opt_outs": await keep_promises(service, source)}


def _told(tell: Tell) -> Callable[[str, int, int | None], None]:
    """How far it is, every TOLD_EVERY_S seconds."""
    told_s = time.monotonic()

    def show(what: str, done: int, total: int | None) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= TOLD_EVERY_S:
            told_s = time.monotonic()
            tell(f"{what}: {done:,}" + (f" of {total:,}" if total is not None else ""))

    return show


def _paths(values: Values, name: str) -> list[Path]:
    found: Any = values.get(name)
    if not isinstance(found, list) or not all(isinstance(path, str) for path in found):
        raise TellPerson("cli-needs", name=name)
    return [Path(path) for path in found]
