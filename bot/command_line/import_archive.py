"""`afterimage import`: exports, folders of pictures and bundles come in, without a bot, a token or Discord."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard

from bot.command_line.asking import together
from bot.command_line.import_bundle import Brought, import_bundles
from bot.command_line.import_bundle import text as bundle_text
from bot.config.loader import load
from bot.config.tables import Config
from bot.control.client import NoBot, ask
from bot.observability import terminal
from bot.observability.log import logging_to
from bot.observability.work_bar import WorkBar, work_bar
from bot.texts import Language
from bot.texts.catalogue import translate_sentence
from indexer.archives.documents import Problem
from indexer.archives.export import ExportArchive, open_export
from indexer.archives.export_options import export_options
from indexer.archives.picture_folder import PictureFolder
from indexer.bundles.bundle_import import is_bundle
from indexer.errors import TellPerson
from indexer.imports.archive_import import Imported, already, import_guild, note_origin, read_collection
from indexer.imports.archive_opener import Importable, is_collection, open_archive, survey_collection
from indexer.imports.archive_unchanged import Unchanged, note_brought, unchanged
from indexer.records.messages import Guild, Origin
from indexer.service import Service, open_service
from indexer.supervisor import both

SHOWN_PROBLEMS = 20  # one a line; with --json all that are kept
POLL_S = 0.25  # between two looks at how far a guild is


@dataclass(frozen=True, slots=True)
class Asked:
    """The command's arguments. `name`: of the collection that the path is to be. `yes`: nobody is asked. `fleet`: files
    are opened and embedded in the cluster."""

    paths: Sequence[Path]
    media: Sequence[Path]
    name: str | None
    dry_run: bool
    quiet: bool
    yes: bool = False
    fleet: bool = False


@dataclass(slots=True)
class Result:
    """What came of a whole command."""

    archives: list[Importable | Unchanged] = field(default_factory=list)
    imported: list[Imported] = field(default_factory=list)
    bundles: list[Brought] = field(default_factory=list)
    handed_over: bool = False

    @property
    def something(self) -> bool:
        """Whether there was anything to read."""
        return bool(self.handed_over or self.bundles or any(archive.survey.documents for archive in self.archives))


def run(arguments: argparse.Namespace) -> int:
    """0: what can be read came in. 1: nothing could be read. Raises StorageError where another process writes the
    folder and takes no commands, ModelUnavailable, TellPerson."""
    config = load(arguments.config, os.environ)
    asked = Asked(
        [path.absolute() for path in arguments.paths],
        [path.absolute() for path in arguments.media],
        arguments.name,
        arguments.dry_run,
        arguments.quiet,
        arguments.yes,
        arguments.fleet,
    )
    for folder in asked.media:
        if not folder.is_dir():
            raise TellPerson("cli-no-folder", path=str(folder))
    if asked.name is not None and len(asked.paths) > 1:
        raise TellPerson("cli-one-collection")
    with logging_to(replace(config.log, level="warning")), _resumable(asked.dry_run):
        result = asyncio.run(_import(config, asked))
    if arguments.json:
        terminal.say_json(as_json(result))
    else:
        terminal.say(as_text(result, asked.dry_run))
    return 0 if result.something else 1


@contextmanager
def _resumable(dry_run: bool) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        if not dry_run:
            terminal.note("interrupted: what came in stays, and the same command goes on from there")
        raise


async def _import(config: Config, asked: Asked) -> Result:
    result = Result()
    settings = config.settings
    bundles = [path for path in asked.paths if await asyncio.to_thread(is_bundle, path)]
    result.bundles = await import_bundles(config, bundles, dry_run=asked.dry_run, quiet=asked.quiet, yes=asked.yes)
    asked = replace(asked, paths=[path for path in asked.paths if path not in bundles])
    # A name, or the name that it was given before, says that a folder is a collection and no export.
    folders = [path for path in asked.paths if asked.name is not None or await is_collection(settings, path)]
    with work_bar(asked.quiet) as bar:
        for path in asked.paths:
            if path not in folders and (known := await unchanged(settings, path, asked.media)) is not None:
                result.archives.append(known)
                if not asked.dry_run:
                    result.imported += [already(known, guild) for guild in known.survey.guilds.values()]
            elif path not in folders:
                result.archives.append(await asyncio.to_thread(_opened, path, config, asked.media, bar))
            elif asked.dry_run:
                result.archives.append(await survey_collection(settings, path, asked.name, _found_files(bar)))
    readable = [archive for archive in result.archives if archive.survey.documents and _is_open(archive)]
    if asked.dry_run or not (readable or folders):
        return result
    if await _handed_over(config, [*(archive.location for archive in readable), *folders], asked):
        result.handed_over = True
        return result
    if asked.fleet:
        terminal.note(f"joining the cluster at {settings.ray.address}")
    opening = open_service(settings, None, open_archive=partial(open_archive, settings), fleet=asked.fleet)
    async with opening as service:
        for path in folders:
            with work_bar(asked.quiet) as bar:
                readable.append(await read_collection(service, path, asked.name, _found_files(bar)))
            result.archives.append(readable[-1])
        for archive in readable:
            origin = await note_origin(service, archive)
            for guild in archive.survey.guilds.values():
                with work_bar(asked.quiet) as bar:
                    result.imported.append(await _import_guild(service, archive, origin, guild, bar, fleet=asked.fleet))
            await note_brought(service, archive, origin)
    return result


def _is_open(archive: Importable | Unchanged) -> TypeGuard[Importable]:
    return not isinstance(archive, Unchanged)


def _found_files(bar: WorkBar) -> Callable[[int], None]:
    return lambda count: bar.show("picture files found", count, None)


def _opened(path: Path, config: Config, media: Sequence[Path], bar: WorkBar) -> ExportArchive:
    """In a thread. Never raises for what is wrong in the export."""

    def told(byte_count: int, total: int) -> None:
        bar.show("MB looked through", byte_count // 1_000_000, total // 1_000_000)

    return open_export(path, export_options(config.settings), media, told)


async def _import_guild(
    service: Service, archive: Importable, origin: Origin, guild: Guild, bar: WorkBar, *, fleet: bool
) -> Imported:
    """As `import_guild`, while the bar shows how far it is."""
    done = asyncio.Event()

    async def work() -> Imported:
        try:
            return await import_guild(service, archive, origin, guild, fleet=fleet)
        finally:
            done.set()

    imported, _ = await both(work(), _follow(service, archive, guild, bar, done))
    return imported


async def _handed_over(config: Config, paths: Sequence[Path], asked: Asked) -> bool:
    """Whether a bot runs on the folder: then it has been asked to read these archives."""
    left = [str(path) for path in paths]
    while left:
        some = list(together(left, len(left)))  # a folder's files one by one may be thousands
        media = [str(path) for path in asked.media]
        values = {"paths": some, "media": media, "name": asked.name, "fleet": asked.fleet}
        try:
            await ask(config.settings.data_dir, "import", values, terminal.note)
        except NoBot:
            return False
        left = left[len(some) :]
    return True


async def _follow(service: Service, archive: Importable, guild: Guild, bar: WorkBar, done: asyncio.Event) -> None:
    rows, pictures = archive.to_read(guild.id), archive.to_fetch(guild.id)
    while not done.is_set():
        progress = service.pipeline.progress(guild.id)
        if progress is not None:
            bar.show("messages read", progress.messages, max(rows, progress.messages))
            bar.show("pictures", progress.places_done, max(pictures, progress.places_total))
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await done.wait()


def as_json(result: Result) -> dict[str, Any]:
    """One object; docs/archives.md says what its fields mean."""
    return {
        "guilds": [
            {"id": str(guild.id), "name": guild.name, "channels": _channels(archive, guild)}
            | asdict(archive.survey.counts[guild.id])
            for archive in result.archives
            for guild in archive.survey.guilds.values()
        ],
        "imported": [
            {
                "id": str(brought.guild.id),
                "messages": brought.messages,
                "embedded": brought.embedded,
                "hit_rate": round(brought.hit_rate, 4),
                "vanished": brought.vanished,
                "failures": brought.failures,
            }
            for brought in result.imported
        ],
        "bundles": list(result.bundles),
        "handed_over": result.handed_over,
        "problems": [
            {"file": problem.label, "offset": problem.offset, "reason": problem.reason.key, "text": _reason(problem)}
            for archive in result.archives
            for problem in archive.problems.kept
        ],
        "problem_count": sum(archive.problems.count for archive in result.archives),
    }


def as_text(result: Result, dry_run: bool) -> str:
    """A block a guild, then what could not be read."""
    imported = {(brought.location, brought.guild.id): brought for brought in result.imported}
    lines = [bundle_text(brought, dry_run) for brought in result.bundles]
    for archive in result.archives:
        for guild in archive.survey.guilds.values():
            counts = archive.survey.counts[guild.id]
            name = terminal.one_line(guild.name, 60)
            if isinstance(archive, PictureFolder):
                lines.append(f"{name}: {_channels(archive, guild):,} folders")
                lines.append(
                    f"  {counts.pictures:,} pictures: {archive.to_fetch(guild.id):,} of them new or changed;"
                    f" {len(archive.vanished):,} that were there before are gone"
                )
                lines += _brought(imported.get((archive.location, guild.id)))
                continue
            lines.append(f"{name}: {_channels(archive, guild):,} channels, {counts.messages:,} messages")
            parts = {
                "saved in files": counts.saved,
                "with a link that still works": counts.live,
                "with a link that has expired": counts.dead,
                "whose file is missing": counts.missing,
                "whose file must not be opened": counts.refused,
                "on other web sites, which are not contacted": counts.elsewhere,
            }
            shown = ", ".join(f"{count:,} {what}" for what, count in parts.items() if count)
            lines.append(f"  {counts.pictures:,} pictures" + (f": {shown}" if shown else ""))
            lines += _brought(imported.get((archive.location, guild.id)))
            if isinstance(archive, Unchanged):
                lines.append("  nothing has changed since it was imported, so it was not read again")
    problems = [problem for archive in result.archives for problem in archive.problems.kept]
    for problem in problems[:SHOWN_PROBLEMS]:
        where = "" if problem.offset is None else f", byte {problem.offset:,}"
        lines.append(f"! {terminal.one_line(problem.label)}{where}: {terminal.one_line(_reason(problem), 200)}")
    count = sum(archive.problems.count for archive in result.archives)
    if count > SHOWN_PROBLEMS:
        lines.append(f"! and {count - SHOWN_PROBLEMS:,} more; --json lists {len(problems):,} of them")
    if not result.something:
        lines.append(
            "nothing here is an export of DiscordChatExporter in JSON, or another archive; a folder of pictures needs"
            " --as NAME"
        )
    elif dry_run:
        lines.append("nothing was stored: this was a dry run")
    elif result.handed_over:
        lines.append("the running bot reads it now; `afterimage status` says how far it is")
    return "\n".join(lines)


def _brought(brought: Imported | None) -> list[str]:
    if brought is None:
        return []
    return [
        f"  {brought.embedded:,} pictures embedded now; {brought.hit_rate:.1%} of those at hand were known already",
        *(f"  cannot be searched: {reason} {count:,}" for reason, count in sorted(brought.failures.items())),
    ]


def _channels(archive: Importable | Unchanged, guild: Guild) -> int:
    return sum(channel.guild_id == guild.id for channel in archive.survey.channels.values())


def _reason(problem: Problem) -> str:
    return translate_sentence(Language.ENGLISH, problem.reason, str)
