"""Pictures that have become searchable a moment ago."""

from __future__ import annotations

from dataclasses import dataclass

from indexer.records.hits import Place
from indexer.records.ids import PictureId


@dataclass(frozen=True, slots=True)
class NewPicture:
    """One place of a picture that was posted after somebody began to wait for it. `seq`: the number of its line."""

    seq: int
    picture_id: PictureId
    place: Place
