"""`import` on a running bot: it opens archives itself, and reads them as jobs that outlive the command and the bot."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

from bot.control.operations import Handler, Tell, Values
from indexer.errors import TellPerson
from indexer.service import Service


def imports(service: Service) -> dict[str, Handler]:
    """`import` on this service."""
    return {"import": partial(_import, service)}


async def _import(service: Service, values: Values, tell: Tell) -> Values:
    """`paths` and `media`, lists of absolute paths → `jobs`, how many were started."""
    # Imported where an archive comes: they take a twelfth of a start, and most bots never read one.
    from indexer.archive_import import note_origin, start_jobs
    from indexer.archives.export import open_export
    from indexer.archives.opener import export_options

    paths, media = _paths(values, "paths"), _paths(values, "media")
    options = export_options(service.settings)
    started = 0
    for path in paths:
        tell(f"the bot looks through {path}")
        archive = await asyncio.to_thread(open_export, path, options, media)
        if archive.index.survey.documents:
            origin = await note_origin(service, archive)
            started += len(await start_jobs(service, archive, origin))
    return {"jobs": started}


def _paths(values: Values, name: str) -> list[Path]:
    found: Any = values.get(name)
    if not isinstance(found, list) or not all(isinstance(path, str) for path in found):
        raise TellPerson("cli-needs", name=name)
    return [Path(path) for path in found]
