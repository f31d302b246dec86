"""`--sheet`: the hits as one picture, as Discord's button draws them."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from bot.command_line.hit_text import Json
from bot.command_line.question import Question
from bot.replies.contact_sheet import Cell, contact_sheet
from bot.replies.escape import plain
from indexer.records.pictures import Pixels


def drawn(found: Json, question: Question) -> bytes:
    """A PNG. A picture that could not be had is an empty box."""
    asked = [Cell(decoded(copy), "Asked") for copy in found.get("asked_with", ())]
    cells = [_cell(number, hit) for number, hit in enumerate(found["hits"], start=1)]
    return contact_sheet(asked, cells, plain(question.words, 100) or "afterimage")


def _cell(number: int, hit: Json) -> Cell:
    title = " · ".join(filter(None, (str(number), hit["named"])))
    return Cell(decoded(hit.get("picture")), title, f"#{plain(hit['channel'], 40)}")


def decoded(copy: str | None) -> Pixels | None:
    """A small copy that came with the answer (WebP, base64) as RGB uint8; None where there is none."""
    if not copy:
        return None
    with Image.open(io.BytesIO(base64.b64decode(copy)), formats=["WEBP"]) as image:
        return np.asarray(image.convert("RGB"))
