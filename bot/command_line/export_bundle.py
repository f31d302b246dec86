"""`afterimage export`: what is stored of a server or channels in one file, made beside a running bot too."""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

from bot.command_line.search import guild_of
from bot.config.loader import load
from bot.control.question import channels_named, where
from bot.observability import terminal
from bot.observability.work_bar import WorkBar, work_bar
from indexer.bundles.bundle_file import BundleManifest
from indexer.bundles.export import Exported, export_bundle
from indexer.bundles.gather import Selection
from indexer.query.grammar import Reference
from indexer.reports.reports import open_reports


def run(arguments: argparse.Namespace) -> int:
    """Raises StorageError where there is no sound database or the file cannot be written, DiskFull without room,
    TellPerson for a server or channel that is not in the index."""
    settings = load(arguments.config, os.environ).settings
    with work_bar(quiet=arguments.quiet) as bar:
        exported = asyncio.run(_export(settings.data_dir, arguments, bar))
    if arguments.json:
        terminal.say_json(exported.as_dict())
    else:
        terminal.say(text(exported))
    return 0


async def _export(data_dir: Path, arguments: argparse.Namespace, bar: WorkBar) -> Exported:
    async with open_reports(data_dir) as reports:
        place = await where(reports, guild_of(arguments.guild))
    channels = None
    if arguments.channel:
        references = [_reference(typed) for typed in arguments.channel]
        channels = tuple(sorted(channels_named(references, place.channels)))
    selection = Selection((place.guild_id,), channels)
    return await export_bundle(data_dir, selection, arguments.file.absolute(), bar.show)


def _reference(typed: str) -> Reference:
    name = typed.removeprefix("#")
    return Reference(int(name), "") if name.isascii() and name.isdigit() and len(name) < 20 else Reference(None, name)


def text(exported: Exported) -> str:
    lines = [f"{exported.path}: {exported.byte_count:,} bytes, as of {exported.manifest.created}"]
    lines += [f"  {line}" for line in contents(exported.manifest)]
    lines.append(
        "`afterimage import` takes it in elsewhere; nothing is embedded again there. Keep it as you keep members'"
        " messages: what is deleted or forgotten from now on stays in this file."
    )
    return "\n".join(lines)


def contents(manifest: BundleManifest) -> list[str]:
    """A line a server, then one a model."""
    lines = [
        f"{terminal.one_line(guild.name, 60)}: {guild.channels:,} channels, {guild.messages:,} messages,"
        f" {guild.pictures:,} pictures"
        for guild in manifest.guilds
    ]
    return lines + [
        f"{model.embeddings:,} embeddings of {terminal.one_line(f'{model.name} ({model.pretrained})', 80)}"
        for model in manifest.models
    ]
