"""The model's process: loads a model, then turns pictures and texts into vectors until its standard input ends.

The only program of the running bot that imports openvino, or torch and open_clip. It leaves by os._exit alone: an
interpreter's own farewell runs the libraries' destructors, which print dozens of lines about objects that are freed
anyway.
"""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, Protocol, runtime_checkable

import numpy as np

from indexer.encode.child import Answers, Requests, begin, log_to
from indexer.encode.protocol import Caption, Choice, Facts, settings_of
from indexer.encode.shared_frames import Frames, mapped
from indexer.errors import ModelUnavailable
from indexer.platforms.shared_memory import open_shared
from indexer.ports import Priority
from indexer.records.pictures import Features, Vectors
from indexer.settings import ModelSettings


class Served(Protocol):
    """What the process serves: a Model, a Matching or a Captioning. Called from as many threads as its Choice has
    streams, and one more.
    """

    @property
    def choice(self) -> Choice:
        """How it runs now: a model may go over to another precision by itself."""
        ...


@runtime_checkable
class Seeing(Served, Protocol):
    """Makes vectors of pictures."""

    def pixels(self, frames: Frames) -> Vectors: ...


@runtime_checkable
class Model(Seeing, Protocol):
    """Embeds pictures and words apart."""

    def words(self, texts: Sequence[str]) -> Vectors: ...


@runtime_checkable
class Matching(Seeing, Protocol):
    """Reads pictures and words together."""

    def scores(self, words: str | None, features: Features) -> Vectors:
        """[n, 1], as of `ModelEncoder.scores`."""
        ...


@runtime_checkable
class Captioning(Served, Protocol):
    """Describes pictures."""

    def captions(self, frames: Frames) -> list[Caption]: ...


Load = Callable[[ModelSettings, Choice | None], tuple[Served, Facts]]


def main(arguments: str, load: Load | None = None) -> None:
    """Run until standard input ends. `arguments` is JSON, written by indexer.encode.process.

    `load` takes the place of `load_model`, which is then not imported.
    """
    given = json.loads(arguments)
    requests, answers = begin(given["parent"])
    first = requests.get()
    log_to(answers, first["levels"])
    if load is None:
        from indexer.encode.runtime import load_model

        load = load_model
    try:
        model, facts = load(settings_of(first["model"]), Choice(**first["settled"]) if first["settled"] else None)
    except ModelUnavailable as error:
        answers.say("unavailable", text=str(error))
        os._exit(1)
    answers.say("open", **facts.as_json())
    _Service(model, facts, answers, open_shared(given["frames"])).serve(requests)


class _Service:
    """Answers requests as they come: texts beside pictures, where the model can do several things at once."""

    def __init__(self, model: Served, facts: Facts, answers: Answers, shared: int) -> None:
        self._model = model
        self._facts = facts
        self._told = facts.choice
        self._answers = answers
        self._shared = shared
        self._frames: Frames | None = None
        self._mapping = threading.Lock()

    def serve(self, requests: Requests) -> None:
        """Until standard input ends. A question does not wait for indexing that waits here."""
        choice = self._facts.choice
        if choice.runtime == "torch":  # its network is for one thread alone
            for request in _questions_first(requests):
                self._answer(request)
        with ThreadPoolExecutor(choice.streams, "indexing") as indexing, ThreadPoolExecutor(1, "asked") as asked:
            while True:
                request = requests.get()
                (indexing if _is_indexing(request) else asked).submit(self._answer, request)

    def _answer(self, request: dict[str, Any]) -> None:
        try:
            if request["ask"] == "captions" and isinstance(self._model, Captioning):
                captions = self._model.captions(self._shared_frames(request))
                self._answers.say("captions", number=request["number"], captions=captions)
                return
            vectors = self._vectors(request)
        except Exception as error:  # noqa: BLE001 -- torch raises RuntimeError for nearly everything, memory included
            text = f"{type(error).__name__}: {error}"
            if is_lost_device(text):
                self._answers.say("lost", text=text)
                os._exit(1)
            self._answers.say("error", number=request["number"], text=text, memory=is_want_of_memory(error))
        else:
            rows, columns = vectors.shape
            raw = np.ascontiguousarray(vectors, "<f4").tobytes()
            if self._model.choice != self._told:
                self._told = self._model.choice
                self._answers.say("choice", choice=asdict(self._told))
            self._answers.say("vectors", raw, number=request["number"], rows=rows, columns=columns)

    def _vectors(self, request: dict[str, Any]) -> Vectors:
        if request["ask"] == "texts" and isinstance(self._model, Model):
            return self._model.words(request["texts"])
        if request["ask"] == "scores" and isinstance(self._model, Matching):
            features = np.frombuffer(request["raw"], "<f2").reshape(request["rows"], request["columns"])
            return self._model.scores(request["words"], features)
        if request["ask"] == "pictures" and isinstance(self._model, Seeing):
            return self._model.pixels(self._shared_frames(request))
        raise ValueError(f"this model cannot be asked for {request['ask']}")

    def _shared_frames(self, request: dict[str, Any]) -> Frames:
        with self._mapping:
            if self._frames is None:
                self._frames = mapped(self._shared, self._facts.pixel_spec.size)
        frames: Frames = self._frames[request["first"] :][: request["count"]]
        return frames


def _is_indexing(request: dict[str, Any]) -> bool:
    return request.get("priority") == Priority.INDEXING


def _questions_first(requests: Requests) -> Iterator[dict[str, Any]]:
    """Every request, without end."""
    waiting: deque[dict[str, Any]] = deque()
    while True:
        while not waiting or not requests.empty():
            waiting.append(requests.get())
        request = next((request for request in waiting if not _is_indexing(request)), waiting[0])
        waiting.remove(request)
        yield request


def is_want_of_memory(error: Exception) -> bool:
    """Whether less at once could succeed where this failed."""
    said = f"{type(error).__name__}: {error}".lower()
    known = ("outofmemory", "out of memory", "bad_alloc", "allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or any(words in said for words in known)


def is_lost_device(said: str) -> bool:
    """Whether an error says that the GPU is of no more use to this process: after such a one every call fails."""
    known = ("cuda error", "acceleratorerror", "hip error", "cudnn_status_execution_failed", "mps backend died")
    return any(words in said.lower() for words in known) and "out of memory" not in said.lower()
