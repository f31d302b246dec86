"""What commands write: every line passes here, so that no name or word from outside does anything to the terminal.

A guild's name or a message's words may hold escape sequences, line breaks and marks that turn the direction of text.
They are shown as Python writes them (`\\x1b`, `\\u202e`), in the log too; JSON keeps its own escapes for them.
"""

from __future__ import annotations

import codecs
import getpass
import io
import json
import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO

from indexer.errors import Stop

# C0 and C1 with DEL; marks, embeddings, overrides and isolates of direction; Unicode's own line breaks; what is
# invisible (the byte order mark, tags); halves of surrogate pairs, which no terminal's encoding can write.
_ACTING = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f"
)
_CONTROLS = re.compile(f"[{_ACTING}]")
_CLEAR_LINE = "\r\x1b[K"  # back to the line's start, and nothing stands in it
_BREAKS = re.compile(f"[{_ACTING}\t\n]")


def visible(text: str) -> str:
    """The text with every control character as its escape. Line breaks and tabs stay."""
    return _CONTROLS.sub(_escape, text)


def one_line(text: str, limit: int = 0) -> str:
    """The same for a name in a line or table: line breaks and tabs too, and at most `limit` characters (0: all)."""
    line = _BREAKS.sub(_escape, text)
    return line if not limit or len(line) <= limit else line[: limit - 1] + "…"


def as_json(value: object, indent: int | None = None) -> str:
    """JSON that people can read and a terminal can show: letters stay as they are, control characters are escaped."""
    return _CONTROLS.sub(_json_escape, json.dumps(value, indent=indent, ensure_ascii=False))


def write_every_letter() -> None:
    """Makes standard output and error take every letter, on a system whose encoding is not UTF-8 too (Windows).

    Files and pipes get UTF-8; a terminal shows a question mark for what it has no letter for.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and codecs.lookup(stream.encoding).name != "utf-8":
            if stream.isatty():
                stream.reconfigure(errors="replace")
            else:
                stream.reconfigure(encoding="utf-8")


def say(text: str) -> None:
    """Prints an answer of a command, on standard output. Raises Stop where that is full."""
    _answer(visible(text))


def warn(text: str) -> None:
    """Prints a warning, or why something cannot be done, on standard error."""
    _write(sys.stderr, f"afterimage: {text}")


def note(text: str) -> None:
    """Prints the progress of a command, on standard error."""
    _write(sys.stderr, text)


class Wait:
    """One line on standard error that says what a command waits for; the next takes its place."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._shown = not quiet and sys.stderr is not None and sys.stderr.isatty()

    def on(self, text: str) -> None:
        """Shows the line, where a person sits there: a script's log is not filled with it."""
        if self._shown:
            sys.stderr.write(f"{_CLEAR_LINE}afterimage: {one_line(text, _columns())} …")
            sys.stderr.flush()

    def over(self) -> None:
        if self._shown:
            sys.stderr.write(_CLEAR_LINE)
            sys.stderr.flush()


@contextmanager
def waiting(text: str, *, quiet: bool = False) -> Iterator[Wait]:
    """Shows what is waited for until the block ends; then the line is empty again. Nothing where `quiet`."""
    wait = Wait(quiet=quiet)
    wait.on(text)
    try:
        yield wait
    finally:
        wait.over()


@contextmanager
def libraries_kept_off() -> Iterator[None]:
    """What libraries print goes to standard error until the block ends: standard output is for our answer alone."""
    with redirect_stdout(sys.stderr):
        yield


def columns() -> int | None:
    """The width of the terminal that shows answers; None where they go into a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else None


def draw(sequences: str) -> None:
    """Writes control sequences of our own that draw a picture. Never give it anything that came from outside."""
    sys.stdout.write(sequences)
    sys.stdout.flush()


def _columns() -> int:
    """Of a text that must fit into one line, beside what stands around it."""
    return max(shutil.get_terminal_size().columns - 16, 20)


def asks_a_person() -> bool:
    """Whether a person is at standard input."""
    return sys.stdin is not None and sys.stdin.isatty()


def answer_to(question: str) -> str:
    """The person's input, without spaces around it; an empty text where the input ends."""
    sys.stderr.write(visible(question))
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def hidden_answer_to(question: str) -> str:
    """The same for a secret: what the person types is not shown. Raises EOFError where the terminal closes, and
    GetPassWarning where it cannot hide what is typed."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        return getpass.getpass(visible(question), sys.stderr).strip()


def say_json(value: object) -> None:
    """Prints one answer for programs, on standard output. Raises Stop where that is full."""
    _answer(as_json(value, indent=2))


def nobody_reads() -> None:
    """Nobody takes our output any more (head, less have left, a disk is full): discards what is still buffered."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _answer(text: str) -> None:
    """Raises BrokenPipeError where the reader has left."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:  # a full disk behind `> FILE`
        nobody_reads()
        raise Stop(f"The answer could not be written to standard output: {error.strerror}.") from error


def _write(stream: TextIO, text: str) -> None:
    stream.write(visible(text) + "\n")
    stream.flush()


def _escape(found: re.Match[str]) -> str:
    return ascii(found[0])[1:-1]


def _json_escape(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]
