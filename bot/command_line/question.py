"""What was typed after `afterimage search`: which of the words are pictures, and their files."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from indexer.errors import TellPerson

STANDARD_INPUT = "-"
TEXT_BYTES = 64 * 1024 * 1024  # of a file of questions: a million of them
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
        if re.fullmatch(r"https?://\S+", word):
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
        found.append(_read(file, most - sum(map(len, found)), most))
    return found


def text_of(file: str) -> str:
    """The text of a file, or of standard input, without a byte order mark. Raises TellPerson where it cannot be read,
    or has more than TEXT_BYTES bytes."""
    try:
        return _read(file, TEXT_BYTES, TEXT_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TellPerson("cli-file-unreadable", path=_name(file), error="it is not UTF-8 text") from error


def expanded(path: str | Path) -> Path:
    """The path, in which `~` is the home folder; as it is where nobody knows that home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def _read(file: str, rest: int, most: int) -> bytes:
    """At most `rest` bytes, of the `most` that may be read of all files."""
    try:
        if file == STANDARD_INPUT:
            data = _standard_input().read(rest + 1)
        else:
            with expanded(file).open("rb") as opened:
                data = opened.read(rest + 1)
    except OSError as error:
        raise TellPerson("cli-file-unreadable", path=_name(file), error=error.strerror or "") from error
    if len(data) > rest:
        raise TellPerson("cli-file-too-large", path=_name(file), most=most)
    return data


def _standard_input() -> BinaryIO:
    """Raises OSError where the command was started without one (`<&-`)."""
    if sys.stdin is None:
        raise OSError(errno.EBADF, "it is closed")
    return sys.stdin.buffer


def _name(file: str) -> str:
    return "standard input" if file == STANDARD_INPUT else file
