"""Rows → candidates: every place of a picture inside the filter, and one order for all paths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from indexer.records.hits import Candidate, Place
from indexer.records.ids import ChannelId, MessageId, PictureId, PlaceId, UserId
from indexer.records.messages import PlaceFlag
from indexer.vectors.columns import Floats, Ints, Part
from indexer.vectors.filter import Terms, shown
from indexer.vectors.scan import Best

_FLAGS = {bits: PlaceFlag(bits) for bits in range(64)}  # PlaceFlag(…) costs a microsecond a call


def ranked(pictures: Ints, scores: Floats, places: Mapping[int, Iterable[Place]], k: int) -> tuple[Candidate, ...]:
    """The k best: by score, then the newest message first, then in the order in which the message shows them.

    A picture without a place is left out. The order does not depend on picture ids: they would reveal what was stored
    before in other channels.
    """
    candidates = [
        Candidate(PictureId(picture), value, tuple(sorted(places[picture], reverse=True)))
        for picture, value in zip(pictures.tolist(), scores.tolist(), strict=True)
        if picture in places
    ]
    candidates.sort(
        key=lambda candidate: (-candidate.score, -candidate.places[0].message_id, candidate.places[0].place_id)
    )
    return tuple(candidates[:k])


def places_in(parts: Sequence[tuple[Part, Terms]], top: Best, *, own_rows: bool) -> dict[int, list[Place]]:
    """For each picture of `top` its living places inside the filter, over all parts.

    `own_rows`: there is one part, and `top.rows` are rows of its pictures, none of a further frame.
    """
    pictures = top.pictures
    places: defaultdict[int, list[Place]] = defaultdict(list)
    for part, terms in parts:
        rows = top.rows if own_rows else part.block.vector_rows(pictures)
        positions = (rows >= 0).nonzero()[0]
        if not len(positions):
            continue
        for picture_positions, columns in shown(part, terms, rows[positions]):
            if not len(picture_positions):
                continue
            values = zip(
                pictures[positions[picture_positions]].tolist(),
                columns.message.tolist(),
                columns.place.tolist(),
                part.block.channels.ids(columns.channel).tolist(),
                part.block.authors.ids(columns.author).tolist(),
                columns.flags.tolist(),
                strict=True,
            )
            for picture, *place in values:
                places[picture].append(make_place(*place))
    return places


def make_place(message: int, place: int, channel: int, author: int, flags: int) -> Place:
    place_flags = _FLAGS.get(flags)
    return Place(
        MessageId(message), PlaceId(place), ChannelId(channel), UserId(author),
        PlaceFlag(flags) if place_flags is None else place_flags,
    )  # fmt: skip
