"""`move` and `reshard`."""

from __future__ import annotations

from pathlib import Path

from bot.command_line.parsers.parser import Commands, add_json


def add_moving(commands: Commands) -> None:
    move = commands.add(
        "move",
        "move:run",
        "Move a server into another data folder of the same bot, which may have other servers: rows and embeddings,"
        " nothing is downloaded or embedded. Every row is compared before the copy here is deleted, and after asking."
        " No bot may run on the folder that it leaves; a bot that runs on the other one takes it in. Killed, the same"
        " command goes on.",
        examples=[
            "move Meadow --to /srv/b/data",
            "move Meadow --fleet fleet.toml",
            "move 81384788765712384 --fleet fleet.toml --to 5 --yes",
        ],
    )
    move.add_argument("guild", metavar="GUILD", help="the server, by name or id")
    move.add_argument(
        "--to",
        metavar="FOLDER",
        help="the data folder that it goes to; with --fleet also a shard's number (default there: its own)",
    )
    move.add_argument("--fleet", type=Path, metavar="FILE", help="fleet.toml: whose folders have it and take it")
    move.add_argument("--yes", action="store_true", help="do not ask before the copy here is deleted")
    add_json(move)
    move.add_argument("--quiet", action="store_true", help="do not show how far it is")

    reshard = commands.add(
        "reshard",
        "reshard:run",
        "Move each server of a fleet into the folder of the process that serves its shard by another fleet.toml: with"
        " more shards, or other folders. Stop all of its bots first. Killed, the same command goes on.",
        examples=[
            "reshard --fleet fleet.toml --to fleet-32.toml --dry-run",
            "reshard --fleet fleet.toml --to fleet-32.toml --yes",
        ],
    )
    reshard.add_argument("--fleet", type=Path, metavar="FILE", required=True, help="the file until now")
    reshard.add_argument("--to", type=Path, metavar="FILE", required=True, help="the file from now on")
    reshard.add_argument("--dry-run", action="store_true", help="show which server would go where, and move nothing")
    reshard.add_argument("--yes", action="store_true", help="do not ask before they are moved")
    add_json(reshard)
    reshard.add_argument("--quiet", action="store_true", help="do not show how far it is")
