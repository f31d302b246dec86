"""The messages of an exported JSON document, one after the other, whatever its size. Pure but for reading the stream.

The document is `{"guild": …, "channel": …, "messages": [{…}, {…}, …], "messageCount": n}`. Quotes and brackets are
found with numpy, a chunk at a time, so each message is known by its first and last byte before it is parsed. That is
faster than a streaming parser, knows where each message stands, and a damaged one costs the others nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from indexer.sentence import Sentence

CHUNK_BYTES: Final = 1 << 20
# What stands before the messages: a guild's and a channel's names and addresses.
HEADER_BYTES: Final = 1 << 20
# What stands behind them: how many there are.
TAIL_BYTES: Final = 4 << 10
# A message with a thousand people under each of twenty reactions has about 5 MB.
MESSAGE_BYTES: Final = 32 << 20

_BOM: Final = b"\xef\xbb\xbf"
_MESSAGES: Final = re.compile(rb'"messages"\s*:\s*\[')
# How the exporter begins a message. Inside a string its quotes would be escaped, so this is never a message's words.
_MESSAGE_START: Final = re.compile(rb'\{\s*"id"\s*:\s*"[0-9]{1,20}"\s*,\s*"type"\s*:\s*"\w*"\s*,\s*"timestamp"')
_END: Final = re.compile(rb'\]\s*(,\s*"\w+"\s*:|\}|$)')
_START_BYTES: Final = 256  # more than such a beginning has
_BETWEEN: Final = b" \t\r\n,"
_QUOTE: Final = ord('"')
_BACKSLASH: Final = ord("\\")
_FOLD: Final = 0x20  # makes one of "[" and "{", and of "]" and "}"
_OPENS: Final = ord("{")
_CLOSES: Final = ord("}")


class ByteStream(Protocol):
    """The part of a binary file that is needed here."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Element:
    """One element of the array, as its bytes; `offset` is where its first byte stands in the document."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Damage:
    """From `offset` on, up to the next message that can be read, the document is not what it should be."""

    offset: int
    reason: Sentence


class NotAnExport(Exception):
    """The document does not begin as an export does; `offset` is how far it was looked at."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"no list of messages in the first {offset} bytes")
        self.offset = offset


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the elements of a chunk begin and end (exclusive), and where the array closes (None: not in this chunk)."""

    bounds: list[tuple[int, int]]
    closes: int | None


class MessageStream:
    """Reads one document once: `header` first, then the iteration."""

    def __init__(self, stream: ByteStream, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._stream = stream
        self._chunk_bytes = chunk_bytes
        self._data = b""
        self._offset = 0  # of the first byte of `_data`
        self._refused = False
        self.tail = b""  # what stands behind the array, once the iteration has reached its end

    def header(self) -> bytes:
        """The document up to its messages, closed so that it is JSON by itself. Raises NotAnExport."""
        while (found := _MESSAGES.search(self._data)) is None:
            if len(self._data) > HEADER_BYTES or not self._read():
                raise NotAnExport(len(self._data))
        head = self._data[: found.end()].removeprefix(_BOM) + b"]}"
        self._drop(found.end())
        return head

    def refuse(self) -> None:
        """The element that came last is no message. A lost quote makes one of several, so its inside is looked at."""
        self._refused = True

    def __iter__(self) -> Iterator[Element | Damage]:
        """Elements in the document's order, and what is damaged between them. Raises what the stream raises."""
        while True:
            layout = _layout(self._data)
            at = 0
            for start, end in layout.bounds:
                if self._data[at:start].strip(_BETWEEN):
                    break  # the quotes do not pair up from here on, so what follows is no boundary either
                yield Element(self._offset + start, self._data[start:end])
                at = end
                if self._refused:
                    self._refused = False
                    if (inside := _MESSAGE_START.search(self._data, start + 1, end)) is not None:
                        at = inside.start()
                        break
            else:
                if layout.closes is None:
                    self._drop(at + _blank(self._data, at))
                    if len(self._data) <= MESSAGE_BYTES and self._read():
                        continue
                    at = 0
                elif not self._data[at : layout.closes].strip(_BETWEEN):
                    self._drop(layout.closes)
                    if self._ends_here():
                        self.tail = self._data
                        return
                    at = 0
            self._drop(at + _blank(self._data, at))
            if at and _MESSAGE_START.match(self._data) is not None:
                continue
            damaged_at = self._offset
            found = self._seek()
            yield Damage(damaged_at, Sentence("archive-damaged" if found else "archive-cut-off"))
            if not found:
                return

    def _ends_here(self) -> bool:
        """Whether the `]` that comes now closes the array: a lost quote makes one of any bracket."""
        while len(self._data) < TAIL_BYTES and self._read():
            pass
        return _END.match(self._data) is not None

    def _seek(self) -> bool:
        """Goes on to the next message after the first byte; False where none comes."""
        begin = 1
        while (found := _MESSAGE_START.search(self._data, begin)) is None:
            self._drop(max(len(self._data) - _START_BYTES, begin))
            begin = 0
            if not self._read():
                return False
        self._drop(found.start())
        return True

    def _read(self) -> bool:
        more = self._stream.read(self._chunk_bytes)
        self._data += more
        return bool(more)

    def _drop(self, count: int) -> None:
        self._data = self._data[count:]
        self._offset += count


def _blank(data: bytes, at: int) -> int:
    """How many bytes from `at` on only part elements."""
    rest = data[at : at + _START_BYTES].lstrip(_BETWEEN)
    if rest or at + _START_BYTES >= len(data):
        return min(_START_BYTES, len(data) - at) - len(rest)
    return len(data) - at - len(data[at:].lstrip(_BETWEEN))


def _layout(data: bytes) -> _Layout:
    """The elements that `data` holds whole. It begins between two elements."""
    values = np.frombuffer(data, np.uint8)
    folded = values | _FOLD
    places = np.flatnonzero((values == _QUOTE) | (folded == _OPENS) | (folded == _CLOSES))
    found = values[places]
    quotes = found == _QUOTE
    strings = quotes & ~_escaped(data, values, places, quotes)
    brackets = ~quotes & (np.cumsum(strings) & 1 == 0)
    opens = (found | _FOLD) == _OPENS
    depth = np.cumsum(np.where(brackets, np.where(opens, 1, -1), 0))
    closing = np.flatnonzero(depth < 0)
    last = int(closing[0]) if len(closing) else len(depth)
    starts = places[:last][(brackets & opens)[:last] & (depth[:last] == 1)]
    ends = places[:last][(brackets & ~opens)[:last] & (depth[:last] == 0)] + 1
    bounds = list(zip(starts.tolist(), ends.tolist(), strict=False))
    return _Layout(bounds, int(places[last]) if len(closing) else None)


def _escaped(
    data: bytes, values: npt.NDArray[np.uint8], places: npt.NDArray[np.intp], quotes: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Which of `places` are quotes inside of a string: those behind an odd number of backslashes."""
    one: npt.NDArray[np.bool_] = quotes & (values[np.maximum(places - 1, 0)] == _BACKSLASH) & (places > 0)
    for number in np.flatnonzero(one & (values[np.maximum(places - 2, 0)] == _BACKSLASH) & (places > 1)).tolist():
        one[number] = _backslashes(data, int(places[number])) % 2 == 1
    return one


def _backslashes(data: bytes, end: int) -> int:
    """How many stand in a row before `end`."""
    run = data[max(end - 64, 0) : end]
    if run.strip(b"\\"):
        return len(run) - len(run.rstrip(b"\\"))
    return end - len(data[:end].rstrip(b"\\"))  # more of them than anybody types
