"""`import`, `export`, `merge` and `split`."""

from __future__ import annotations

from pathlib import Path

from bot.command_line.parsers.parser import Commands, add_fleet, add_json


def add_archives(commands: Commands) -> None:
    archive = commands.add(
        "import",
        "import_archive:run",
        "Take in exports of DiscordChatExporter (JSON): files, folders, .zip and .gz; Discord's data package; files of"
        " Discord History Tracker; a plain folder of pictures; or a bundle that `afterimage export` made. Needs no bot"
        " and no token; a bot that runs is asked to read them.",
        examples=[
            "import ~/my-export",
            "import --dry-run export.zip",
            "import general.json --media ~/saved-media",
            'import ~/Pictures --as "Photos"',
            "import --dry-run meadow.bundle.zst",
            "import big-export.zip --fleet",
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
    archive.add_argument(
        "--yes",
        action="store_true",
        help="do not ask before a bundle comes in that may delete or replace what is stored",
    )
    add_fleet(archive)
    add_json(archive)
    archive.add_argument("--quiet", action="store_true", help="do not show how far it is")

    export = commands.add(
        "export",
        "export_bundle:run",
        "Write what is stored of a server, or of some of its channels, into one file: messages, texts and embeddings."
        " `afterimage import` takes it in on another machine, where nothing is embedded again. Works beside a running"
        " bot. Nothing of members who opted out is in it. Only this user may read it.",
        examples=["export meadow.bundle.zst", "export cats.bundle --guild Meadow --channel cats --channel dogs"],
    )
    export.add_argument(
        "file", type=Path, metavar="FILE", help="the file to make; compressed with zstd if it ends in .zst"
    )
    export.add_argument("--guild", metavar="NAME", help="the server, by name or id, where more than one is stored")
    export.add_argument(
        "--channel",
        action="append",
        default=[],
        metavar="NAME",
        help="only this channel with its threads, by name or id; may be given several times",
    )
    add_json(export)
    export.add_argument("--quiet", action="store_true", help="do not show how far it is")

    merge = commands.add(
        "merge",
        "merge:run",
        "Bring everything of another data folder into this one, each message once: two installations become one. The"
        " other folder stays as it is; no bot may run on it meanwhile. A bot that runs on this one does the work.",
        examples=["merge --dry-run /mnt/old/data", "merge /mnt/old/data"],
    )
    merge.add_argument("folder", type=Path, metavar="FOLDER", help="the other installation's data folder")
    merge.add_argument("--dry-run", action="store_true", help="say what would come in, and store nothing")
    merge.add_argument(
        "--adopt", action="store_true", help="also where another bot read it: its servers become this bot's"
    )
    add_json(merge)
    merge.add_argument("--quiet", action="store_true", help="do not show how far it is")

    split = commands.add(
        "split",
        "split:run",
        "Move a server into a data folder of its own. The copy here is deleted only when the new folder was compared"
        " row by row, and after asking. No bot may run on this folder meanwhile, but with --keep.",
        examples=["split Meadow /srv/meadow/data", "split 81384788765712384 /srv/copy/data --keep"],
    )
    split.add_argument("guild", metavar="GUILD", help="the server, by name or id")
    split.add_argument("folder", type=Path, metavar="FOLDER", help="the new data folder; made where it is missing")
    split.add_argument("--keep", action="store_true", help="keep the copy here, too")
    split.add_argument("--yes", action="store_true", help="do not ask before the copy here is deleted")
    add_json(split)
    split.add_argument("--quiet", action="store_true", help="do not show how far it is")
