"""`verify`, `backup`, `restore` and `salvage`: the commands that keep the data folder safe."""

from __future__ import annotations

import argparse
from pathlib import Path

from bot.command_line.parsers.parser import Commands, add_json


def add_safety(commands: Commands) -> None:
    verify = commands.add(
        "verify",
        "verify:run",
        "Look whether the data folder is sound: the database, its indexes, and the files beside it. Reads only, beside"
        " a running bot too. Exit code 0: sound; 1: not, and each fault has a line.",
        examples=["verify", "verify --json"],
    )
    _add_output(verify)

    backup = commands.add(
        "backup",
        "backup:run",
        "Write everything that is stored into one file, beside a running bot too. The file holds a manifest with"
        " checksums; only this user may read it. It appears under its name when it is whole.",
        examples=["backup /mnt/disk/afterimage.tar.zst", "backup today.tar"],
    )
    backup.add_argument(
        "file", type=Path, metavar="FILE", help="the file to make; compressed with zstd if it ends in .zst"
    )
    _add_output(backup)

    restore = commands.add(
        "restore",
        "restore:run",
        "Put a backup in place of the data folder's database. The whole file is checked before anything is touched. The"
        " bot must not run meanwhile. The former files are moved aside, never deleted.",
        examples=[
            "restore --check afterimage.tar.zst",
            "restore --replace afterimage.tar.zst",
            "restore --from-storage",
        ],
    )
    what = restore.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="the backup; also a *.backup.sqlite3 of an upgrade"
    )
    what.add_argument(
        "--from-storage", action="store_true", help="the newest good backup of this fleet.name in fleet.storage"
    )
    restore.add_argument("--replace", action="store_true", help="also where the folder has a database: move it aside")
    restore.add_argument("--check", action="store_true", help="only read the whole file and compare its checksums")
    _add_output(restore)

    salvage = commands.add(
        "salvage",
        "salvage:run",
        "Take all that can still be read out of a damaged database into a new one, embeddings included. What is missing"
        " is read from Discord anew by the next start of the bot. The bot must not run meanwhile. The damaged files are"
        " moved aside, unchanged.",
        examples=["salvage", "salvage --json"],
    )
    _add_output(salvage)


def _add_output(command: argparse.ArgumentParser) -> None:
    add_json(command)
    command.add_argument("--quiet", action="store_true", help="do not show how far it is")
