"""A model's process that says in one breath that it is open and that it runs in another way now."""

from __future__ import annotations

import json
from dataclasses import asdict

from indexer.encode.child import begin
from indexer.encode.protocol import Choice, Facts, message
from indexer.records.pictures import ModelSpec, PixelSpec
from tests.worlds.model_child import SIZE

FIRST, SECOND = Choice("ray", "cpu", "float32", 2), Choice("ray", "cpu", "float32", 4)


def main(arguments: str) -> None:
    requests, answers = begin(json.loads(arguments)["parent"])
    requests.get()
    changed = message({"say": "choice", "choice": asdict(SECOND)})
    answers.say("open", changed, **Facts(ModelSpec("hasty", "none", 2, "00"), PixelSpec(size=SIZE), FIRST).as_json())
    requests.get()  # until it is ended
