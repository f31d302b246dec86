"""The model's process as the bot sees it: started, asked, and ended."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from indexer.encode.batching import Kind, ModelDied, ModelFailed, OutOfMemory, Payload
from indexer.encode.child import log_levels
from indexer.encode.protocol import LENGTH, Caption, Choice, Facts, cluster_json, message, settings_json
from indexer.encode.shared_frames import SharedFrames
from indexer.errors import ModelAway, ModelUnavailable, Reason, Rejected
from indexer.platforms.processes import command, environment_without_settings, kill
from indexer.platforms.shared_memory import inherited
from indexer.ports import Priority
from indexer.records.picture_header import picture_of
from indexer.records.pictures import EncodedFile, Features, Pixels, Scores, Vectors
from indexer.settings import ModelSettings, RaySettings

log = logging.getLogger(__name__)

WORKER = "indexer.encode.worker"

_PROGRESS_S = 10.0  # seconds between two lines in the log while a model loads
_LONGEST_S = 600.0  # seconds for a batch; one of 1,024 pictures takes half of it on a slow machine
_LONGEST_OPEN_S = 7 * 3600.0  # seconds to load a model; an hour more than its export may take (export_process.py)
_END_S = 2.0  # seconds that it may take to leave; it takes milliseconds
_MOST_BYTES = 64 * 1024 * 1024  # of a header
# Of an answer's vectors: the features of 32 pictures by BLIP-2 with an input of 364 pixels are 122 MB.
_MOST_VECTOR_BYTES = 128 * 1024 * 1024
_LINE = 1000  # characters of a line on standard error that are kept
_LAST_LINES = 12

OPENING = 0  # the number of the first request


class ModelProcess:
    """One process. `facts` are its model's, from the moment that it is open."""

    facts: Facts
    lost = ""
    """Why its device is gone; empty while it is not."""

    def __init__(self, process: asyncio.subprocess.Process, frames: SharedFrames) -> None:
        assert process.stdin is not None
        self._process = process
        self._requests = process.stdin
        self._frames = frames
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count(OPENING)
        self._writing = asyncio.Lock()
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._leaving = False
        self._ending: asyncio.Task[None] | None = None
        self._errors = asyncio.create_task(self._read_errors(), name="the model's standard error")
        self._reading = asyncio.create_task(self._read(), name="the model's answers")

    @classmethod
    async def start(
        cls,
        settings: ModelSettings,
        frames: SharedFrames,
        settled: Choice | None = None,
        worker: str = WORKER,
        cluster: RaySettings | None = None,
    ) -> ModelProcess:
        """Loads the model: seconds from disk, minutes from the hub. `settled` is the choice of an earlier start,
        `cluster` what a process needs to know that loads none itself.

        Raises ModelUnavailable, ModelDied where the process ends meanwhile.
        """
        began_s = time.monotonic()
        log.info("loading the model %s (%s)", settings.name, settings.pretrained or "no tag")
        arguments = json.dumps({"parent": os.getpid(), "frames": frames.reference})
        # The bot's settings stay out of its environment: its token may be one. A process group of its own: Ctrl-C is
        # the bot's to handle. The bot's session, so that nice values count between their threads (worker_process.py).
        try:
            process = await asyncio.create_subprocess_exec(
                *command(arguments, worker),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                env=environment_without_settings(), pass_fds=inherited(frames.reference), process_group=0,
            )  # fmt: skip
        except OSError as error:
            raise ModelDied(f"could not be started ({error})") from error
        model = cls(process, frames)
        try:
            await model._open(settings, settled, cluster, began_s)
        except BaseException:
            await model.end()
            raise
        return model

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it has ended, by itself or because it was told to."""
        return self._leaving or self._reading.done()

    async def _open(
        self, settings: ModelSettings, settled: Choice | None, cluster: RaySettings | None, began_s: float
    ) -> None:
        request = {
            "ask": "open",
            "model": settings_json(settings),
            "settled": asdict(settled) if settled else None,
            "cluster": cluster_json(cluster) if cluster else None,
            "levels": log_levels(),
        }
        opening = asyncio.ensure_future(self._ask(request))
        try:
            # A download that stalls ends by itself (hub.py). The deadline is for a process that hangs.
            async with asyncio.timeout(_LONGEST_OPEN_S):
                while not (await asyncio.wait([opening], timeout=_PROGRESS_S))[0]:
                    log.info("still loading the model %s (%.0f s)", settings.name, time.monotonic() - began_s)
            await opening
        except TimeoutError as error:
            raise ModelDied(f"had loaded no model after {_LONGEST_OPEN_S:g} s") from error
        finally:
            opening.cancel()
        spec = self.facts.spec
        log.info(
            "model %s ready after %.1f s: vectors of %d, input %d pixels, %s",
            spec.name, time.monotonic() - began_s, spec.dimension, self.facts.pixel_spec.size, self.facts.choice,
        )  # fmt: skip

    async def encode(self, kind: Kind, payloads: Sequence[Payload], priority: Priority) -> Vectors:
        """[n, d] float32. Several calls may be under way. Raises ModelFailed (OutOfMemory where it was that), ModelAway
        where no encoder of a cluster took the request, and ModelDied when this process is of no more use."""
        try:
            async with asyncio.timeout(_LONGEST_S):
                if kind is Kind.WORDS:
                    return await self._vectors({"ask": "texts", "texts": list(payloads), "priority": priority})
                async with self._frames.holding([frame for frame in payloads if not isinstance(frame, str)]) as first:
                    frames = {"first": first, "count": len(payloads), "priority": priority}
                    return await self._vectors({"ask": "pictures", **frames})
        except TimeoutError as error:
            await self.end()
            raise ModelDied(f"gave no answer within {_LONGEST_S:.0f} s") from error
        except asyncio.CancelledError:
            await self.end()  # it would go on reading frames that are another batch's by then
            raise

    async def scores(self, words: str | None, features: Features) -> Scores:
        """As `ModelEncoder.scores`. Raises as `encode`; a caller that is cancelled ends nothing."""
        raw = np.ascontiguousarray(features, "<f2").tobytes()
        rows, columns = features.shape
        request = {"ask": "scores", "words": words, "rows": rows, "columns": columns, "bytes": len(raw)}
        try:
            async with asyncio.timeout(_LONGEST_S):
                return (await self._vectors(request, raw))[:, 0]
        except TimeoutError as error:
            await self.end()
            raise ModelDied(f"gave no answer within {_LONGEST_S:.0f} s") from error

    async def captions(self, frames: Sequence[Pixels]) -> list[Caption]:
        """One of each picture, in order. Raises as `encode`, but has no deadline: the process may be halted."""
        try:
            async with self._frames.holding(frames) as first:
                captions: list[Caption] = await self._ask({"ask": "captions", "first": first, "count": len(frames)})
                return captions
        except asyncio.CancelledError:
            await self.end()  # as in `encode`
            raise

    async def encode_file(self, file: bytes, wanted: dict[str, Any]) -> EncodedFile:
        """A file opened and embedded in the cluster; `wanted` as in protocol.py. Raises as `encode`, and Rejected for
        what cannot be read; ModelFailed where no node may open it. A caller that is cancelled ends nothing."""
        try:
            async with asyncio.timeout(_LONGEST_S):
                encoded: EncodedFile = await self._ask({"ask": "file", "wanted": wanted, "bytes": len(file)}, file)
                return encoded
        except TimeoutError as error:
            await self.end()
            raise ModelDied(f"gave no answer within {_LONGEST_S:.0f} s") from error

    async def _vectors(self, request: dict[str, Any], raw: bytes = b"") -> Vectors:
        vectors: Vectors = await self._ask(request, raw)
        return vectors

    async def _ask(self, request: dict[str, Any], raw: bytes = b"") -> Any:
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            if self.ended:
                raise ModelDied("has ended")
            with suppress(OSError):  # it has gone, and `_read` will say how
                async with self._writing:
                    self._requests.write(message({**request, "number": number}) + raw)
                    await self._requests.drain()
            return await answer
        finally:
            del self._answers[number]

    async def _read(self) -> None:
        """Takes what the process says until it ends; then tells who waits."""
        reason = ""
        try:
            while True:
                self._take(*await self._next_message())
        except (asyncio.IncompleteReadError, OSError):
            pass
        except (ValueError, KeyError, TypeError) as error:
            reason = f"said what makes no sense ({type(error).__name__}: {error})"
            self._kill()
        status = await self._process.wait()
        await self._errors
        if not reason:
            reason = f"ended with {signal.Signals(-status).name if status < 0 else f'status {status}'}"
        if not self._leaving:
            told = "".join(f"\n{line}" for line in self._last_lines)
            log.warning("the model's process %d %s%s", self._process.pid, reason, told)
        self._fail_all(ModelDied(self.lost or reason))

    async def _next_message(self) -> tuple[dict[str, Any], bytes]:
        said = self._process.stdout
        assert said is not None
        (length,) = LENGTH.unpack(await said.readexactly(LENGTH.size))
        if length > _MOST_BYTES:
            raise ValueError(f"a header of {length} bytes")
        header = json.loads(await said.readexactly(length))
        more = header["rows"] * header["columns"] * 4 if header["say"] in ("vectors", "file") else 0
        more += header["small_copy"] if header["say"] == "file" else 0
        if not 0 <= more <= _MOST_VECTOR_BYTES:
            raise ValueError(f"an answer of {more} bytes")
        return header, await said.readexactly(more)

    def _take(self, header: dict[str, Any], raw: bytes) -> None:
        match header["say"]:
            case "log":
                logging.getLogger(str(header["logger"])).log(int(header["level"]), "%s", header["text"])
            case "open":
                self.facts = Facts.of(header)  # now: a choice may follow before whoever waits for these goes on
                self._settle(OPENING, self.facts)
            case "unavailable":
                self._leaving = True  # it has said why
                self._fail_all(ModelUnavailable(str(header["text"])))
            case "vectors":
                self._settle(header["number"], _matrix(header, raw))
            case "file":
                small_copy = raw[len(raw) - header["small_copy"] :]
                vectors = _matrix(header, raw[: len(raw) - header["small_copy"]])
                if not len(vectors) == header["picture"]["frames"] > 0:
                    raise ValueError(f"{len(vectors)} vectors of a picture's {header['picture']['frames']} frames")
                picture = picture_of(header["picture"], header["picture"]["byte_count"])
                self._settle(header["number"], EncodedFile(picture, vectors, small_copy))
            case "rejected":
                self._settle(header["number"], error=Rejected(Reason(header["reason"]), str(header["detail"])))
            case "captions":
                captions = [(str(text), min(max(float(sure), 0.0), 1.0)) for text, sure in header["captions"]]
                self._settle(header["number"], captions)
            case "error":
                failure = OutOfMemory if header["memory"] else ModelFailed
                self._settle(header["number"], error=failure(str(header["text"])))
            case "away":
                self._settle(header["number"], error=ModelAway(str(header["text"])))
            case "choice":
                self.facts = replace(self.facts, choice=Choice(**header["choice"]))
                log.info("the model runs on %s", self.facts.choice)
            case "lost":
                self.lost = str(header["text"])
            case other:
                raise ValueError(f"no such message: {other}")

    def _settle(self, number: int, answer: object = None, *, error: Exception | None = None) -> None:
        waiting = self._answers.get(number)
        if waiting is None or waiting.done():
            return
        if error is not None:
            waiting.set_exception(error)
        else:
            waiting.set_result(answer)

    def _fail_all(self, error: Exception) -> None:
        for number in list(self._answers):
            self._settle(number, error=error)

    async def _read_errors(self) -> None:
        """What libraries print goes to the log, line by line; a progress bar's steps are lines too."""
        said = self._process.stderr
        assert said is not None
        rest = ""
        while chunk := await said.read(4096):
            *lines, rest = (rest + chunk.decode("utf-8", "replace").replace("\r", "\n")).split("\n")
            rest = rest[:_LINE]
            for line in lines:
                self._take_line(line)
        self._take_line(rest)

    def _take_line(self, line: str) -> None:
        if line.strip():
            self._last_lines.append(line[:_LINE])
            log.debug("the model's process says: %s", line[:_LINE])

    async def end(self) -> None:
        """Ends the process, whatever it does. The end goes on where a caller is cancelled."""
        if self._ending is None:
            self._leaving = True
            self._ending = asyncio.create_task(self._end(), name="ending the model's process")
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        self._fail_all(ModelDied("was told to end"))
        self._requests.close()
        try:
            await asyncio.wait([self._reading], timeout=_END_S)
        finally:  # also where the event loop ends meanwhile, which cancels this
            self._kill()
        await self._reading

    def _kill(self) -> None:
        # Not `self._process.kill()`: see the end of a picture reader.
        if not self._reading.done() and self._process.returncode is None:
            with suppress(OSError):
                kill(self._process.pid)


def _matrix(header: dict[str, Any], raw: bytes) -> Vectors:
    return np.frombuffer(raw, "<f4").reshape(header["rows"], header["columns"]).astype(np.float32)
