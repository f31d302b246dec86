"""Bundles among the paths of `afterimage import`: taken in by the bot that runs, or here where none does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bot.command_line.make_sure import make_sure
from bot.config.tables import Config
from bot.control.client import NoBot, ask
from bot.observability import terminal
from bot.observability.work_bar import WorkBar, work_bar
from indexer.bundles.bundle_import import import_bundle, may_delete, survey_bundle
from indexer.offline_store import open_store

Brought = Mapping[str, Any]  # as `ImportedBundle.as_dict`


async def import_bundles(
    config: Config, paths: Sequence[Path], *, dry_run: bool, quiet: bool, yes: bool
) -> list[Brought]:
    """What each of them brought, or would bring. `yes`: nobody is asked about a bundle that may delete.

    Raises StorageError, DiskFull, RetryLater, Refused, TellPerson where nobody said yes.
    """
    settings = config.settings
    if not paths:
        return []
    for path in paths:
        if not (dry_run or yes) and await may_delete(settings, path):
            await asyncio.to_thread(_ask, path, settings.data_dir)
    with work_bar(quiet) as bar:
        if dry_run:
            return [(await survey_bundle(settings, path, bar.show)).as_dict() for path in paths]
        try:
            done = await ask(settings.data_dir, "import-bundles", {"paths": list(map(str, paths))}, terminal.note)
            found: list[Brought] = done["bundles"]
            return found
        except NoBot:
            return await _import_here(config, paths, bar)


def _ask(path: Path, data_dir: Path) -> None:
    make_sure(
        f"{path} may delete and replace what is stored in {data_dir}. Opt-outs in it delete their authors' messages in"
        " every server that it names. If it names the bot that the folder belongs to, which anybody can write into a"
        " file, all of it counts as Discord's word: its deletions delete too, its versions replace those here, and its"
        " servers may be read. Go on only where you know who made it (--dry-run says what would come in, and what would"
        " go)."
    )


async def _import_here(config: Config, paths: Sequence[Path], bar: WorkBar) -> list[Brought]:
    settings = config.settings
    async with open_store(settings) as store:
        brought: list[Brought] = [
            (await import_bundle(store, settings, path, bar.show, alone=True)).as_dict() for path in paths
        ]
        bar.show("index files written", 0, None)
        await store.upkeep.compact_index()
    return brought


def text(brought: Brought, dry_run: bool) -> str:
    """A block a bundle."""
    return "\n".join([f"{brought['file']}: as of {brought['created']}", *brought_lines(brought, dry_run)])


def brought_lines(brought: Brought, dry_run: bool) -> list[str]:
    """What came in, a line a fact."""
    lines = []
    for guild in brought["guilds"]:
        name = terminal.one_line(str(guild["name"]), 60)
        lines.append(
            f"  {name}: {guild['channels']:,} channels, {guild['messages']:,} messages, {guild['pictures']:,} pictures"
        )
    verb = "would come in" if dry_run else "came in"
    lines.append(
        f"  {brought['messages']:,} messages, {brought['pictures']:,} pictures and {brought['embeddings']:,} embeddings"
        f" {verb}; {brought['known']:,} messages were known already"
        + (f", {brought['updated']:,} of them in an older version" if brought["updated"] else "")
    )
    if brought["refused"]:
        lines.append(f"  {brought['refused']:,} messages stay out: deleted, of somebody who opted out, or better known")
    if brought["opt_outs"] or brought["deletions"]:
        lines.append(f"  {brought['opt_outs']:,} opt-outs and {brought['deletions']:,} deletions come with it")
    if brought["deleted"]:
        lines.append(f"  {brought['deleted']:,} messages here {'would go' if dry_run else 'went'} for them")
    lines += [
        f"  {terminal.one_line(str(name), 60)} stays out: another folder of pictures here has its number"
        for name in brought["skipped"]
    ]
    return lines
