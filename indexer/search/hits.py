"""Makes a hit of what is stored of its leading place. Pure."""

from __future__ import annotations

from indexer.records.copies import Copy
from indexer.records.hits import Band, Hit, Parts, Place, PlaceDetail
from indexer.records.ids import PictureId


def hit_at(
    picture_id: PictureId,
    place: Place,
    detail: PlaceDetail,
    band: Band,
    other_places: tuple[Place, ...],
    *,
    copies: tuple[Place, ...] = (),
    parts: Parts | None = None,
    copied: Copy | None = None,
    at_ms: int | None = None,
) -> Hit:
    """`detail` is that of `place`. The score is the cosine of `parts`; 0 where nothing was compared."""
    parts = parts or Parts()
    return Hit(
        picture_id=picture_id,
        score=parts.cosine if parts.cosine is not None else 0.0,
        place=place,
        link=detail.link,
        source=detail.source,
        file_name=detail.file_name,
        alt_text=detail.alt_text,
        excerpt=detail.content,
        author_name=detail.author_name,
        width=detail.width,
        height=detail.height,
        path=detail.path,
        tags=detail.tags,
        other_places=other_places,
        copies=copies,
        band=band,
        parts=parts,
        copied=copied,
        at_ms=at_ms,
    )
