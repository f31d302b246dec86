"""Vectors of words: asked of the model once, then remembered."""

from __future__ import annotations

from collections.abc import Sequence

from indexer.lru import LruCache
from indexer.ports import Encoder
from indexer.records.ids import UserId
from indexer.records.pictures import Vectors

REMEMBERED = 2_048


class WordVectors:
    """The vectors of one model."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.known: LruCache[tuple[UserId | None, str], Vectors] = LruCache(REMEMBERED)

    async def of(self, asker: UserId | None, texts: Sequence[str]) -> list[Vectors]:
        """A vector ([d]) of each text, in order; from memory where the same member asked for it before.

        What another member asked for is asked of the model anew: from memory it would come so much sooner that a member
        could tell.
        """
        vectors = {text: known for text in texts if (known := self.known.get((asker, text))) is not None}
        new = [text for text in dict.fromkeys(texts) if text not in vectors]
        if new:
            for text, vector in zip(new, await self._encoder.encode_words(new), strict=True):
                self.known.put((asker, text), vector)
                vectors[text] = vector
        return [vectors[text] for text in texts]
