"""`afterimage reshard`: a fleet's servers go to the folders that another fleet.toml gives them, one after another."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from bot.command_line.make_sure import make_sure
from bot.command_line.moving import Move, as_dict, carry_over, found_in
from bot.config.fleet_file import FleetFile, read_fleet
from bot.config.loader import load
from bot.control.client import answers
from bot.observability import terminal
from indexer.errors import FolderInUse
from indexer.records.ids import GuildId
from indexer.records.messages import Guild
from indexer.settings import Settings


def run(arguments: argparse.Namespace) -> int:
    """Raises ConfigError for a wrong fleet.toml, FolderInUse where a bot of either runs, TellPerson where nobody said
    yes, and as `move`; what was moved until then stays moved, and the same call goes on."""
    before, after = read_fleet(arguments.fleet), read_fleet(arguments.to)
    settings = load(arguments.config or before.config, os.environ).settings
    moves, done = asyncio.run(_reshard(settings, before, after, arguments))
    if arguments.json:
        terminal.say_json({"shards": after.shards, "moves": [_planned(move) for move in moves], "done": done})
    elif arguments.dry_run:
        terminal.say("\n".join([*plan_lines(moves), "nothing was moved: this was a dry run"]))
    elif moves:
        terminal.say(f"{len(done):,} servers were moved; start the bot with {after.path}")
    else:
        terminal.say(f"every server is where {after.path} has it: nothing to move")
    return 0


async def _reshard(
    settings: Settings, before: FleetFile, after: FleetFile, arguments: argparse.Namespace
) -> tuple[list[Move], list[dict[str, object]]]:
    folders = list(dict.fromkeys(process.folder for fleet in (before, after) for process in fleet.processes))
    moves = plan(await found_in(settings, folders), after)
    if arguments.dry_run or not moves:
        return moves, []
    for folder in folders:
        if await answers(folder):
            raise FolderInUse(
                f"A bot runs on {folder}. Stop every process of {before.path} and {after.path} first: each serves its"
                " shards of another number than before. Nothing was moved."
            )
    if not arguments.yes:
        for line in plan_lines(moves):
            terminal.note(line)
        await asyncio.to_thread(make_sure, f"{len(moves):,} servers are moved now, each deleted where it was.")
    done = []
    for number, move in enumerate(moves, start=1):
        if not arguments.quiet:
            terminal.note(f"{number:,} of {len(moves):,}: {move.guild.name} to {move.folder}")
        copied = await carry_over(settings, move, own=False, yes=True, quiet=arguments.quiet)
        done.append(as_dict(copied, move, deleted=True))
    return moves, done


def plan(found: Mapping[GuildId, tuple[Guild, Collection[Path]]], after: FleetFile) -> list[Move]:
    """Which server goes from which folder into which; in the order of their ids. Of a server in several folders, as
    after a kill, each that is not its own. A folder of pictures stays, or goes to the first process where its folder
    is none of the new fleet's.
    """
    kept = {process.folder.resolve() for process in after.processes}
    moves = []
    for guild, folders in sorted(found.values(), key=lambda one: one[0].id):
        own = after.of_guild(guild.id)
        for source in folders:
            if own is None and source.resolve() in kept:
                continue
            target = (own or after.processes[0]).folder
            if source.resolve() != target.resolve():
                moves.append(Move(guild, source, target))
    return moves


def _planned(move: Move) -> dict[str, object]:
    return {"id": str(move.guild.id), "name": move.guild.name, "from": str(move.source), "to": str(move.folder)}


def plan_lines(moves: Sequence[Move]) -> list[str]:
    """A line a server."""
    return [
        f"{move.guild.id} {terminal.one_line(move.guild.name, 40)}: {move.source} → {move.folder}" for move in moves
    ] or ["no server has to move"]
