"""A process that looks like the one that reaches a cluster, and opens files itself. Files in the folder that
`pretrained` names tell it what to do: with `away` it answers that no encoder is there, with `other-readers` that its
node opens no files; with `gone` no cluster can be joined; with `changed` the model has other weights; with
`other-file`, `wide` or `infinite` it answers for another file, or with such vectors. Of what it opened it writes a line
each into `opened`.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from indexer.encode.child import Answers, begin, log_to
from indexer.encode.protocol import Facts, settings_of
from indexer.errors import ModelUnavailable, Rejected
from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.records.picture_header import header_of
from tests.worlds import model_child


def main(arguments: str) -> None:
    requests, answers = begin(json.loads(arguments)["parent"])
    first = requests.get()
    log_to(answers, first["levels"])
    settings = settings_of(first["model"])
    folder = Path(settings.pretrained)
    try:
        _, facts = model_child.load(settings, None)
    except ModelUnavailable as error:
        answers.say("unavailable", text=str(error))
        os._exit(1)
    answers.say("open", **facts.as_json())
    while True:
        _answer(folder, facts, answers, requests.get())


def _answer(folder: Path, facts: Facts, answers: Answers, request: dict[str, Any]) -> None:
    number, wanted = request["number"], request["wanted"]
    if (folder / "away").exists():
        answers.say("away", number=number, text="none is there")
        return
    if (folder / "other-readers").exists():
        answers.say("error", number=number, text="other readers", memory=False)
        return
    limits = Limits(wanted["decode"]["max_pixels"], frames=wanted["decode"]["frames"])
    try:
        picture = decode_picture(request["raw"], facts.pixel_spec, limits)
    except Rejected as error:
        answers.say("rejected", number=number, reason=error.reason.value, detail=error.detail)
        return
    with (folder / "opened").open("a") as lines:
        lines.write(f"{len(request['raw'])}\n")
    vector = np.array([[0.6, 0.8, 0.0] if (folder / "wide").exists() else [0.6, 0.8]], "<f4")
    if (folder / "infinite").exists():
        vector[0, 1] = np.inf
    if (folder / "other-file").exists():
        picture = replace(picture, sha256=bytes(32))
    shape = {"rows": len(picture.frames), "columns": vector.shape[1], "small_copy": 0}
    raw = np.tile(vector, (len(picture.frames), 1)).tobytes()
    answers.say("file", raw, number=number, picture=header_of(picture), **shape)
