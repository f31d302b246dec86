"""`--open N`: the hit in the browser, by its link, or the archive's file where there is no link."""

from __future__ import annotations

import webbrowser
from pathlib import Path

from bot.command_line.hit_text import Json
from indexer.errors import TellPerson
from indexer.picture_links import PICTURE_SUFFIXES, RAW_SUFFIXES


def open_hit(hit: Json) -> None:
    """Raises TellPerson where there is nothing to open, or no browser."""
    address = hit["link"] or _file(hit["path"])
    if address is None:
        raise TellPerson("cli-nothing-to-open")
    if not webbrowser.open(address):
        raise TellPerson("cli-no-browser", address=address)


def _file(path: str | None) -> str | None:
    """The address of a picture's file that is there.

    What a file is called decides which program opens it: nothing but pictures is opened, whatever an archive says.
    """
    file = Path(path) if path else None
    if file is None or file.suffix.lower() not in PICTURE_SUFFIXES | RAW_SUFFIXES or not file.is_file():
        return None
    return file.absolute().as_uri()
