"""`setup`."""

from __future__ import annotations

from pathlib import Path

from bot.command_line.parsers.parser import Commands


def add_setup(commands: Commands) -> None:
    setup = commands.add(
        "setup",
        "setup:setup",
        "Set up the bot for your own server: ask Discord who it is and what it lacks, choose a model, write config.toml"
        " and the token's file, show the link that invites the bot, and wait until it is in a server.",
        examples=[
            "setup",
            "setup --token-file token.txt --model english --no-wait",
            "setup --token-file token.txt --read",
            "setup --token-file - --config /etc/afterimage/config.toml < token",
        ],
        notes="In a terminal it asks for whatever the options do not say. Elsewhere it needs --token-file, or the token"
        " in AFTERIMAGE_DISCORD_TOKEN. Ctrl-C changes nothing before everything is known; while it waits for a"
        " server Ctrl-C goes on without one, as ten minutes do. The token is never shown.",
    )
    setup.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="the file that holds the bot's token and stays its place; - reads it from standard input",
    )
    setup.add_argument("--model", metavar="NAME", help="as `afterimage model list` names it (default: what suits here)")
    setup.add_argument(
        "--model-folder", type=Path, metavar="FOLDER", help="an exported model instead (`afterimage model export`)"
    )
    setup.add_argument(
        "--read", action="store_true", help="read history as soon as the bot starts, without /reindex start"
    )
    setup.add_argument("--force", action="store_true", help="replace the files that are there, without asking")
    setup.add_argument("--no-wait", action="store_true", help="show the invitation, and do not wait for a server")
