"""What was typed after `afterimage search`: which of the words are pictures, and their files."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import TellPerson

STANDARD_INPUT = "-"
_PLACED = ("/", "./", "../", "~/", ".\\", "..\\")  # words that name a file, and nothing else


@dataclass(frozen=True, slots=True)
class Question:
    """`words` in the grammar; `files` are paths, or "-" for standard input; `links` are addresses of pictures."""

    words: str
    files: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


def question_of(words: Sequence[str], images: Sequence[str] = ()) -> Question:
    """A word is a picture if it is an address (http, https), `-`, or a path: it begins as one, or it names a file that
    is there and has a dot or a slash in it. `images` are pictures in any case.
    """
    said, files, links = [], [], []
    for word in (*images, *words):
        if re.match(r"https?://\S+$", word):
            links.append(word)
        elif word == STANDARD_INPUT or word in images or _is_path(word):
            files.append(word)
        else:
            said.append(word)
    if files.count(STANDARD_INPUT) > 1:
        raise TellPerson("cli-one-standard-input")
    return Question(" ".join(said).strip(), tuple(files), tuple(links))


def _is_path(word: str) -> bool:
    if word.startswith(_PLACED):
        return True
    try:
        return ("." in word or "/" in word) and Path(word).is_file()
    except (OSError, ValueError):  # too long for a name, or a NUL in it
        return False


def contents(files: Sequence[str], most: int) -> list[bytes]:
    """The bytes of each file. Raises TellPerson where one cannot be read, or where all have more than `most` bytes."""
    found: list[bytes] = []
    for file in files:
        rest = most - sum(map(len, found))
        try:
            data = sys.stdin.buffer.read(rest + 1) if file == STANDARD_INPUT else _read(Path(file).expanduser(), rest)
        except OSError as error:
            raise TellPerson("cli-file-unreadable", path=_name(file), error=error.strerror or "") from error
        if len(data) > rest:
            raise TellPerson("cli-file-too-large", path=_name(file), most=most)
        found.append(data)
    return found


def text_of(file: str) -> str:
    """The text of a file, or of standard input. Raises TellPerson where it cannot be read."""
    try:
        data = sys.stdin.buffer.read() if file == STANDARD_INPUT else Path(file).expanduser().read_bytes()
        return data.decode()
    except UnicodeDecodeError as error:
        raise TellPerson("cli-file-unreadable", path=_name(file), error="it is not UTF-8 text") from error
    except OSError as error:
        raise TellPerson("cli-file-unreadable", path=_name(file), error=error.strerror or "") from error


def _read(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        return file.read(most + 1)


def _name(file: str) -> str:
    return "standard input" if file == STANDARD_INPUT else file
