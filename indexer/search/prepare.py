"""A question's pictures and words become vectors, so that asking it again costs no model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from indexer.database.database import Database
from indexer.errors import TellPerson
from indexer.pictures.small_copy import webp
from indexer.ports import Encoder, Priority
from indexer.query.query import Query
from indexer.records.ids import ModelId
from indexer.search import picture_facts
from indexer.search.center_crops import center_crops
from indexer.search.word_vectors import WordVectors
from indexer.supervisor import both


async def embedded(query: Query, encoder: Encoder, words: WordVectors) -> Query:
    """The same question with vectors in place of its frames, and files in place of its thumbnails; the vectors of its
    words are remembered by `words`.
    """
    if query.thumbnails:
        files = await asyncio.to_thread(lambda: tuple(webp(picture) for picture in query.thumbnails))
        query = replace(query, thumbnails=(), small_copies=files)
    if not query.frames:
        await words.of(query.asker, texts_of(query))
        return query
    frames = list(query.frames)
    if not query.has_words:  # with words beside it, nobody looks for a copy
        frames += await asyncio.to_thread(center_crops, query.frames)
    # The words are embedded and remembered at the same time, so that no batch of indexing comes between.
    vectors, _ = await both(encoder.encode_pixels(frames, Priority.QUERY), words.of(query.asker, texts_of(query)))
    rows, count = tuple(vectors), len(query.frames)
    return replace(
        query,
        frames=(),
        vectors=(*query.vectors, *rows[:count]),
        crops=(*query.crops, *rows[count:]),
    )


async def looked_up(query: Query, db: Database, model_id: ModelId) -> Query:
    """The same question with vectors in place of pictures of the index (`like`).

    Raises TellPerson where one of them is gone, or shown nowhere in the filter's channels.
    """
    if not query.like:
        return query
    anywhere = replace(query.filter, authors=None, after_ms=None, before_ms=None, not_message=None)
    async with db.reader() as connection:
        shown = await picture_facts.places(connection, query.guild_id, query.like, anywhere)
        facts = await picture_facts.facts(connection, model_id, query.like)
    if any(picture_id not in shown or picture_id not in facts for picture_id in query.like):
        raise TellPerson("search-picture-gone")
    known = [facts[picture_id] for picture_id in query.like]
    return replace(
        query,
        like=(),
        vectors=(*query.vectors, *(picture.vector for picture in known)),
        digests=query.digests | {picture.sha256 for picture in known},
        hashes=(*query.hashes, *(picture.perceptual_hash for picture in known)),
        shown_at=tuple(shown[picture_id][0].place_id for picture_id in query.like),
        not_pictures=query.not_pictures | set(query.like),
    )


def texts_of(query: Query) -> Sequence[str]:
    """What of a question the model has to read: its words, if there are any, then what is excluded."""
    return [*([query.words] if query.words.strip() else []), *query.without]
