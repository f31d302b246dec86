"""A picture that somebody asked with, as four columns: SHA-256, perceptual hash, model and embedding."""

from __future__ import annotations

from typing import Any

from indexer.records.ids import ModelId
from indexer.records.saved_searches import AskedPicture
from indexer.store.embeddings import as_vector
from indexer.store.pictures import as_signed, as_unsigned


def asked_picture(
    sha256: bytes | None, stored_hash: int | None, model: int | None, vector: bytes | None
) -> AskedPicture | None:
    """The columns as a picture; None where there is none."""
    if sha256 is None or stored_hash is None or vector is None:
        return None
    model_id = None if model is None else ModelId(model)
    return AskedPicture(sha256, as_unsigned(stored_hash), model_id, as_vector(vector))


def columns_of(picture: AskedPicture | None) -> tuple[Any, ...]:
    """The columns of a picture; of none, four times NULL."""
    if picture is None:
        return None, None, None, None
    return picture.sha256, as_signed(picture.perceptual_hash), picture.model_id, picture.vector.astype("<f2").tobytes()
