"""`import`."""

from __future__ import annotations

from pathlib import Path

from bot.command_line.parsers.parser import Commands, add_json


def add_archives(commands: Commands) -> None:
    archive = commands.add(
        "import",
        "import_archive:run",
        "Take in exports of DiscordChatExporter (JSON): files, folders, .zip and .gz; Discord's data package; files of"
        " Discord History Tracker; or a plain folder of pictures. Needs no bot and no"
        " token; a bot that runs is asked to read them.",
        examples=[
            "import ~/my-export",
            "import --dry-run export.zip",
            "import general.json --media ~/saved-media",
            'import ~/Pictures --as "Photos"',
        ],
    )
    archive.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file or folder of the export")
    archive.add_argument(
        "--as", dest="name", metavar="NAME", help="PATH is a folder of pictures: make it a collection of this name"
    )
    archive.add_argument(
        "--media",
        action="append",
        default=[],
        type=Path,
        metavar="FOLDER",
        help="a folder in which saved media lie, too",
    )
    archive.add_argument("--dry-run", action="store_true", help="say what would come in, and store nothing")
    add_json(archive)
    archive.add_argument("--quiet", action="store_true", help="do not show how far it is")
