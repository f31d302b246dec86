"""Compressed data, read with a limit on how much it may expand: a bomb is refused, whatever its header claims."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Protocol

from indexer.errors import AfterimageError
from indexer.sentence import Sentence

# Exports shrink to a tenth or, with the same short messages over and over, to a fiftieth. Deflate reaches 1,032.
MOST_EXPANSION: Final = 200
# Below this size a file may expand as it likes: an empty channel's export is nearly all of it repetition.
FREE_BYTES: Final = 64 << 20


class Refused(AfterimageError):
    """A file that is not opened, or not read on; `sentence` tells a person why."""

    def __init__(self, sentence: Sentence) -> None:
        super().__init__(str(sentence))
        self.sentence = sentence


class Expanding(Protocol):
    """What decompresses while it is read."""

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class Bounded:
    """Reads `inner`, which expands `compressed_bytes` of `outer`. Closes both."""

    def __init__(self, inner: Expanding, compressed_bytes: int, outer: Expanding | None = None) -> None:
        self._inner = inner
        self._outer = outer
        self._most = max(FREE_BYTES, MOST_EXPANSION * compressed_bytes)
        self._read = 0

    def read(self, size: int, /) -> bytes:
        """Raises Refused where more comes out than honest data holds."""
        data = self._inner.read(size)
        self._read += len(data)
        if self._read > self._most:
            raise Refused(Sentence("archive-bomb", {"times": MOST_EXPANSION}))
        return data

    def close(self) -> None:
        self._inner.close()
        if self._outer is not None:
            self._outer.close()

    def __enter__(self) -> Bounded:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
