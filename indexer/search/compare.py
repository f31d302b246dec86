"""The second stage: whether the nearest candidates are copies of the picture that was asked with, by their pixels."""

from __future__ import annotations

from indexer.database.database import Database
from indexer.query.query import Query
from indexer.records.ids import PictureId
from indexer.search import picture_facts
from indexer.search.copy_checker import Asked, CopyChecker
from indexer.search.picture_facts import PictureFacts
from indexer.search.score_bands import SURE_BITS, copy_bits
from indexer.search.stages import Compared, Search

# Pictures that are compared. With 2,000 drawn originals the own one of a crop is among so many nearest in 99 of 100.
MOST = 5


class Compare:
    """Writes `compared`. Questions with words, and with several pictures, ask for no copies."""

    name = "compare"

    def __init__(self, db: Database, checker: CopyChecker) -> None:
        self._db = db
        self._checker = checker

    async def run(self, search: Search) -> None:
        query = search.query
        asked = asked_of(query)
        if asked is None or not (doubtful := _in_doubt(search)):
            return
        async with self._db.reader() as connection:
            shown = await picture_facts.places(connection, query.guild_id, doubtful, query.filter)
        candidates = {picture_id: shown[picture_id][0].place_id for picture_id in doubtful if picture_id in shown}
        told, coming = await self._checker.told(asked, candidates, search.compare_s)
        search.compared = Compared(told, coming, doubtful)


def asked_of(query: Query) -> Asked | None:
    """The one picture that was asked with; None where there are words, several pictures, or no copy of it."""
    if query.has_words or len(query.vectors) != 1 or len(query.digests) != 1:
        return None
    (sha256,) = query.digests
    if len(query.small_copies) == 1:
        return Asked(query.guild_id, query.asker, sha256, query.small_copies[0])
    if len(query.shown_at) == 1:
        return Asked(query.guild_id, query.asker, sha256, place_id=query.shown_at[0])
    return None


def _in_doubt(search: Search) -> list[PictureId]:
    """The nearest candidates that are close enough, and of which neither the bytes nor the hash say that they are the
    picture. An animation's small copy shows the frame that stands for it, so no other frame can be compared.
    """
    frames = search.nearest_frames
    near = [picture_id for picture_id in search.near if picture_id in search.facts][:MOST]
    return [
        picture_id
        for picture_id in near
        if search.calibration.picture_enough(float(frames[picture_id].vector @ search.target.vector))
        and frames[picture_id] is search.facts[picture_id]
        and not _sure(search.query, search.facts[picture_id])
    ]


def _sure(query: Query, known: PictureFacts) -> bool:
    if known.sha256 in query.digests:
        return True
    return any(copy_bits(asked, known.perceptual_hash) <= SURE_BITS for asked in query.hashes)
