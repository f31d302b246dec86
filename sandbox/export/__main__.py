"""`python -m sandbox.export FOLDER`: write the demo server as an export of DiscordChatExporter."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox.demo.world import SEED, DemoWorld, build
from sandbox.export.writer import ExportOptions, Written, write_guild
from sandbox.world import Channel

VAULT = "vault"  # the one channel of the demo that the exporting person cannot see


def write_demo(demo: DemoWorld, folder: Path, options: ExportOptions) -> Written:
    """Writes what a person exports who sees all of the demo server except its vault."""

    def seen(channel: Channel) -> bool:
        return channel.name != VAULT

    return write_guild(demo.guild, folder, options, seen)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.export", description=__doc__)
    parser.add_argument("folder", type=Path, help="where it is written; made where it is missing")
    parser.add_argument("--no-media", action="store_true", help="save no files: addresses, as without --media")
    parser.add_argument("--partition", type=int, default=0, metavar="N", help="messages a file (0: all in one)")
    parser.add_argument("--windows", action="store_true", help="as a machine with Windows writes it")
    parser.add_argument("--seed", type=int, default=SEED, help="another guild")
    given = parser.parse_args(argv)
    separator, newline = ("\\", "\r\n") if given.windows else ("/", "\n")
    options = ExportOptions(not given.no_media, given.partition, separator=separator, newline=newline)
    written = write_demo(build(given.seed), given.folder, options)
    print(f"{given.folder}: {len(written.documents)} documents, {written.messages} messages, {written.files} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
