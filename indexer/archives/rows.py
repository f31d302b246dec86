"""The messages of one channel of an archive, by id: which of them a page shows, and where each stands."""

from __future__ import annotations

import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexer.records.ids import MessageId
from indexer.records.messages import Channel


@dataclass(frozen=True, slots=True)
class Rows:
    """The messages of one channel, ascending by id. `documents` numbers the document of each."""

    channel: Channel
    ids: npt.NDArray[np.int64]
    documents: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int32]

    def page(self, before: MessageId | None, after: MessageId | None, size: int) -> tuple[int, int]:
        """first ≤ row < last of a page, as `History.page` asks for it."""
        if after is not None:
            first = int(np.searchsorted(self.ids, after, "right"))
            return first, min(first + size, len(self.ids))
        last = len(self.ids) if before is None else int(np.searchsorted(self.ids, before, "left"))
        return max(last - size, 0), last

    def row_of(self, message_id: MessageId) -> int | None:
        at = int(np.searchsorted(self.ids, message_id))
        return at if at < len(self.ids) and self.ids[at] == message_id else None


class Spool:
    """What an archive remembers of its messages: a file without a name in the data folder. It goes with the process."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 -- the finalizer in the next line closes it
        weakref.finalize(self, self._file.close)
        self._end = 0
        self._at_end = True

    def add(self, data: bytes) -> int:
        """Where it stands."""
        at = self._end
        if not self._at_end:
            self._file.seek(at)
            self._at_end = True
        self._end += self._file.write(data)
        return at

    def read(self, offset: int, length: int) -> bytes:
        self._at_end = False
        self._file.seek(offset)
        return self._file.read(length)
