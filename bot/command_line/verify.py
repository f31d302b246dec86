"""`afterimage verify`: whether the data folder is sound. Reads only, beside a running bot too."""

from __future__ import annotations

import argparse
import asyncio
import os

from bot.config.loader import load
from bot.observability import terminal
from bot.observability.work_bar import work_bar
from indexer.backup.verify import Verification, verify


def run(arguments: argparse.Namespace) -> int:
    """0 where all is sound, 1 where something is not. Raises StorageError where there is no database."""
    settings = load(arguments.config, os.environ).settings
    with work_bar(quiet=arguments.quiet) as bar:
        found = asyncio.run(verify(settings.data_dir, bar.show))
    if arguments.json:
        terminal.say_json(found.as_dict())
    else:
        terminal.say(text(found))
    return 0 if found.sound else 1


def text(found: Verification) -> str:
    """What was counted, a line a finding, and the verdict with what to do."""
    lines = [f"{found.path}, schema {'unknown' if found.schema is None else found.schema}"]
    if found.counts:
        lines.append(", ".join(f"{count:,} {table.replace('_', '-')}" for table, count in found.counts.items()))
    lines += [f"note: {terminal.one_line(finding.text)}" for finding in found.notes]
    lines += [f"FAULT: {terminal.one_line(finding.text)}" for finding in found.faults]
    if found.sound:
        lines.append("sound: everything fits together")
        return "\n".join(lines)
    lines.append(f"not sound: {len(found.faults):,} kinds of faults")
    if any(finding.kind in _OF_THE_DATABASE for finding in found.faults):
        lines.append(
            "stop the bot; put the newest good backup in place with `afterimage restore`, or have what can be read"
            " taken out of the damaged database with `afterimage salvage`"
        )
    return "\n".join(lines)


_OF_THE_DATABASE = {"database", "integrity", "foreign-keys", "embedding-length", "texts", "place-guild"}
