"""What a process of the model does beside its work: it ends with whoever started it, listens, answers and logs.

The model's process (worker.py) and the process that exports a model (export_process.py) are such processes.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import queue
import sys
import threading
from contextlib import suppress
from typing import Any, BinaryIO

from indexer.encode.protocol import LENGTH, message
from indexer.platforms.linux import PR_SET_DUMPABLE, Unavailable, prctl
from indexer.platforms.processes import end_with

Requests = queue.SimpleQueue[dict[str, Any]]


class Answers:
    """The way to whoever started this process. Thread-safe: libraries log from threads of their own."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def say(self, what: str, raw: bytes = b"", **values: Any) -> None:
        with self._lock, suppress(BrokenPipeError):  # whoever asked is gone; the end of standard input says so too
            self._pipe.write(message({"say": what, **values}) + raw)
            self._pipe.flush()


class _ToTheParent(logging.Handler):
    """Log records go to whoever started this process: the bot has a log."""

    def __init__(self, answers: Answers) -> None:
        super().__init__()
        self._answers = answers

    def emit(self, record: logging.LogRecord) -> None:
        self._answers.say("log", logger=record.name, level=record.levelno, text=self.format(record))


def begin(parent: int) -> tuple[Requests, Answers]:
    """Makes this process a child: requests come in by the queue, answers go out. `parent` is the id of its starter."""
    _end_with(parent)
    faulthandler.enable()  # a crash says where; the bot has it in its log
    # A library that prints must not print into an answer: answers go to a copy of standard output, which then
    # becomes standard error.
    answers = Answers(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    requests: Requests = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), name="requests", daemon=True).start()
    return requests, answers


def log_to(answers: Answers, levels: dict[str, int]) -> None:
    """Sends what is logged by the way of `answers`. `levels` are those of the loggers "root" and "indexer"."""
    logging.basicConfig(level=levels["root"], format="%(message)s", handlers=[_ToTheParent(answers)])
    logging.getLogger("indexer").setLevel(levels["indexer"])
    logging.captureWarnings(True)


def log_levels() -> dict[str, int]:
    """The levels of this process's loggers, for `log_to` in another."""
    return {
        "root": logging.getLogger().getEffectiveLevel(),
        "indexer": logging.getLogger("indexer").getEffectiveLevel(),
    }


def _end_with(parent: int) -> None:
    """Lets the kernel end this process when its parent ends, where it can; the end of standard input does so
    everywhere.

    What members send is in this process's memory: as the bot's, nobody else's process reads it.
    """
    end_with(parent)
    with suppress(Unavailable):
        prctl(PR_SET_DUMPABLE, 0)


def _listen(requests: Requests) -> None:
    """Reads requests, with their raw bytes as `raw`. At their end the process ends, whatever it is doing (a
    download may take minutes).
    """
    pipe = sys.stdin.buffer
    while head := pipe.read(LENGTH.size):
        (length,) = LENGTH.unpack(head)
        request = json.loads(pipe.read(length))
        if "bytes" in request:
            request["raw"] = pipe.read(request["bytes"])
        requests.put(request)
    os._exit(0)
