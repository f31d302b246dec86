"""`reindex`."""

from __future__ import annotations

from bot.command_line.parsers.parser import Commands, add_fleet, add_json

ACTIONS = ("start", "status", "pause", "resume", "cancel")


def add_reindex(commands: Commands) -> None:
    reindex = commands.add(
        "reindex",
        "reindex:run",
        "Read a server's history from Discord, and stay until it is done; or show, pause, resume or cancel that.",
        examples=[
            "reindex",
            "reindex --guild Meadow --channel photos",
            "reindex --failed --background",
            "reindex status",
            "reindex cancel --guild Meadow",
        ],
        notes="A running bot does the work. Where none runs, the bot itself runs until the work is done, and answers in"
        " Discord meanwhile. A start says that the server may be read, as /reindex start by a manager does. After"
        " Ctrl-C a running bot goes on; without one, the same command or the bot's next start goes on from there.",
    )
    reindex.add_argument(
        "action",
        nargs="?",
        choices=ACTIONS,
        default="start",
        metavar="ACTION",
        help=f"one of {', '.join(ACTIONS)} (default: start)",
    )
    reindex.add_argument("--guild", metavar="NAME", help="the server, by name or id, where there are several")
    what = reindex.add_mutually_exclusive_group()
    what.add_argument("--channel", metavar="CHANNEL", help="start: this channel alone, by name or id")
    what.add_argument("--failed", action="store_true", help="start: only pictures that could not be read before")
    reindex.add_argument("--background", action="store_true", help="start: hand it to the running bot, and return")
    add_fleet(reindex)
    reindex.add_argument("--quiet", action="store_true", help="no progress")
    add_json(reindex)
