"""Collections: folders of pictures on this machine, read like a server whose channels are its folders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.records.ids import GuildId, collection_id

COLLECTION_KIND = "picture-folder"  # of a collection's origin


@dataclass(frozen=True, slots=True, eq=False)
class Collection:
    """A collection and the files that are stored of it. `number` is in all of its made-up ids.

    A file's mark is a hash of its path below the folder, its size and its time of change: another mark is another
    file. `marks` [n] uint64, ascending; `messages` [n] int64, the message of each.
    """

    number: int
    name: str
    marks: npt.NDArray[np.uint64]
    messages: npt.NDArray[np.int64]

    @classmethod
    def empty(cls, number: int, name: str) -> Collection:
        return cls(number, name, np.empty(0, np.uint64), np.empty(0, np.int64))

    @property
    def guild_id(self) -> GuildId:
        return GuildId(collection_id(self.number))

    def positions(self, marks: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """[m] where each of `marks` stands, −1 for a file that is not stored."""
        if not len(self.marks):
            return np.full(len(marks), -1, np.int64)
        at = np.minimum(np.searchsorted(self.marks, marks), len(self.marks) - 1)
        return np.where(self.marks[at] == marks, at, -1)
