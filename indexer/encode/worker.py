"""The model's process: loads a model, then turns pictures and texts into vectors until its standard input ends.

The only program that imports torch, open_clip and transformers. It leaves by os._exit alone: an interpreter's own
farewell runs the libraries' destructors, which print dozens of lines about objects that are freed anyway.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, BinaryIO, Protocol

import numpy as np

from indexer.encode.openmp import spin_briefly
from indexer.encode.protocol import LENGTH, Facts, message, settings_of
from indexer.encode.shared_frames import Frames, mapped
from indexer.errors import ModelUnavailable
from indexer.model import Pixels, Vectors
from indexer.platforms.linux import PR_SET_DUMPABLE, PR_SET_PDEATHSIG, Unavailable, prctl
from indexer.platforms.shared_memory import open_shared
from indexer.settings import ModelSettings


class Model(Protocol):
    """What the process serves: indexer.encode.network."""

    def pixels(self, frames: Sequence[Pixels]) -> Vectors: ...

    def words(self, texts: Sequence[str]) -> Vectors: ...


Load = Callable[[ModelSettings, dict[str, str] | None], tuple[Model, Facts]]


class Answers:
    """The way to the bot. Thread-safe: libraries log from threads of their own."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def say(self, what: str, raw: bytes = b"", **values: Any) -> None:
        with self._lock, suppress(BrokenPipeError):  # whoever asked is gone; the end of standard input says so too
            self._pipe.write(message({"say": what, **values}) + raw)
            self._pipe.flush()


class _ToTheBot(logging.Handler):
    """Log records go to the bot, which has a log."""

    def __init__(self, answers: Answers) -> None:
        super().__init__()
        self._answers = answers

    def emit(self, record: logging.LogRecord) -> None:
        self._answers.say("log", logger=record.name, level=record.levelno, text=self.format(record))


def main(arguments: str, load: Load | None = None) -> None:
    """Run until standard input ends. `arguments` is JSON, written by indexer.encode.process. `load`: load_model."""
    given = json.loads(arguments)
    _end_with(given["parent"])
    faulthandler.enable()  # a crash says where; the bot has it in its log
    # A library that prints must not print into an answer: answers go to a copy of standard output, which then
    # becomes standard error.
    answers = Answers(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    asked: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(asked,), name="requests", daemon=True).start()
    _serve(asked, answers, open_shared(given["frames"]), load or load_model)


def _end_with(parent: int) -> None:
    """Lets the kernel end this process when the bot ends, where it can; the end of standard input does so everywhere.

    What members send is in this process's memory: as the bot's, nobody else's process reads it.
    """
    if sys.platform == "linux":
        with suppress(Unavailable):
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            prctl(PR_SET_DUMPABLE, 0)
        if os.getppid() != parent:  # it ended before the kernel knew
            os._exit(0)


def _listen(asked: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Reads requests; at their end the process ends, whatever it is doing (a download may take minutes)."""
    requests = sys.stdin.buffer
    while head := requests.read(LENGTH.size):
        (length,) = LENGTH.unpack(head)
        asked.put(json.loads(requests.read(length)))
    os._exit(0)


def _serve(asked: queue.SimpleQueue[dict[str, Any]], answers: Answers, fd: int, load: Load) -> None:
    first = asked.get()
    logging.basicConfig(level=first["levels"]["root"], format="%(message)s", handlers=[_ToTheBot(answers)])
    logging.getLogger("indexer").setLevel(first["levels"]["indexer"])
    logging.captureWarnings(True)
    try:
        model, facts = load(settings_of(first["model"]), first["settled"])
    except ModelUnavailable as error:
        answers.say("unavailable", text=str(error))
        os._exit(1)
    answers.say("open", **facts.as_json())
    frames: Frames | None = None
    while True:
        request = asked.get()
        try:
            if request["ask"] == "pictures":
                if frames is None:
                    frames = mapped(fd, facts.pixel_spec.size)
                vectors = model.pixels(list(frames[: request["count"]]))
            else:
                vectors = model.words(request["texts"])
        except Exception as error:  # noqa: BLE001 -- torch raises RuntimeError for nearly everything, memory included
            answers.say("error", text=f"{type(error).__name__}: {error}")
        else:
            _say_vectors(answers, vectors)


def _say_vectors(answers: Answers, vectors: Vectors) -> None:
    rows, columns = vectors.shape
    answers.say("vectors", np.ascontiguousarray(vectors, "<f4").tobytes(), rows=rows, columns=columns)


def load_model(settings: ModelSettings, settled: dict[str, str] | None) -> tuple[Model, Facts]:
    """The model and its facts. A trial chooses the precision; `settled` is what an earlier start chose."""
    spin_briefly()
    import torch

    from indexer.encode.precision import choose_device, settle_precision
    from indexer.encode.weights import load

    if settings.threads:
        torch.set_num_threads(settings.threads)
    loaded = load(settings, choose_device(settled["device"] if settled else settings.device))
    if settled is None:
        settle_precision(loaded.network, settings.precision, loaded.pixel_spec.size)
    else:
        loaded.network.to(getattr(torch, settled["precision"]))
    network = loaded.network
    precision = str(network.dtype).removeprefix("torch.")
    return network, Facts(loaded.spec, loaded.pixel_spec, network.device.type, precision)
