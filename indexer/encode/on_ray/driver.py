"""The process that reaches the cluster: to the bot it looks like a model's process, and it loads no model.

Ray's own code ends a process whose cluster is gone for good, keeps some ten threads and 100 MB, and reads pickles that
the cluster sends. None of that is in the bot: where this process ends, the bot starts another one, and meanwhile uses
the model of its own machine (indexer/encode/cluster_encoder.py).
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import numpy as np

from indexer.encode.batching import Kind, ModelFailed, OutOfMemory
from indexer.encode.child import Answers, Requests, begin, log_to
from indexer.encode.on_ray.connection import connect
from indexer.encode.on_ray.pool import Pool
from indexer.encode.process import WORKER
from indexer.encode.protocol import Choice, cluster_of, settings_of
from indexer.encode.shared_frames import Frames, mapped
from indexer.errors import ModelAway, ModelUnavailable, Rejected
from indexer.platforms.shared_memory import open_shared
from indexer.ports import Priority
from indexer.records.picture_header import header_of
from indexer.records.pictures import EncodedFile, Vectors
from indexer.settings import ModelSettings, RaySettings


def main(arguments: str, worker: str = WORKER) -> None:
    """Run until standard input ends. `arguments` is JSON, written by indexer.encode.process. `worker`: what the
    encoders run as their model's process."""
    given = json.loads(arguments)
    requests, answers = begin(given["parent"])
    first = requests.get()
    log_to(answers, first["levels"])
    try:
        cluster = cluster_of(first["cluster"])
        connect(cluster)
        driver = _Driver(answers, open_shared(given["frames"]))
        asyncio.run(driver.serve(requests, settings_of(first["model"]), cluster, worker))
    except ModelUnavailable as error:
        answers.say("unavailable", text=str(error))
    os._exit(1)


class _Driver:
    """Passes requests to the pool as they come, and answers as they come back."""

    def __init__(self, answers: Answers, shared: int) -> None:
        self._answers = answers
        self._shared = shared
        self._frames: Frames | None = None
        self._size = 0  # of a frame; known when the bot has been told the facts

    async def serve(self, requests: Requests, settings: ModelSettings, cluster: RaySettings, worker: str) -> None:
        """Until the process ends. Raises ModelUnavailable where no encoder has the model."""
        from indexer.encode.on_ray.actors import Actors

        actors = Actors(settings, cluster, worker)
        idle_s = settings.idle_s or float("inf")
        pool = Pool(
            actors.make,
            cluster.min_replicas,
            cluster.max_replicas,
            has_room=actors.has_room,
            changed=self._changed,
            idle_s=idle_s,
        )
        facts = await pool.open()
        self._size = facts.pixel_spec.size
        self._answers.say("open", **facts.as_json())
        arrived: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        _hand_over(requests, arrived.put_nowait)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(pool.run())
                while True:
                    group.create_task(self._answer(pool, await arrived.get()))
        finally:
            await pool.close()

    def _changed(self, choice: Choice) -> None:
        if self._size:
            self._answers.say("choice", choice=asdict(choice))

    async def _answer(self, pool: Pool, request: dict[str, Any]) -> None:
        number = request["number"]
        try:
            if request["ask"] == "file":
                self._say_file(number, await pool.encode_file(request["raw"], request["wanted"]))
                return
            vectors = await self._vectors(pool, request)
        except Rejected as error:
            self._answers.say("rejected", number=number, reason=error.reason.value, detail=error.detail)
        except ModelFailed as error:
            self._answers.say("error", number=number, text=str(error), memory=isinstance(error, OutOfMemory))
        except Exception as error:  # noqa: BLE001 -- whatever it is, no picture is to blame for it
            text = str(error) if isinstance(error, ModelAway) else f"{type(error).__name__}: {error}"
            self._answers.say("away", number=number, text=text)
        else:
            rows, columns = vectors.shape
            raw = np.ascontiguousarray(vectors, "<f4").tobytes()
            self._answers.say("vectors", raw, number=number, rows=rows, columns=columns)

    def _say_file(self, number: int, encoded: EncodedFile) -> None:
        rows, columns = encoded.vectors.shape
        picture = {**header_of(encoded.picture), "frames": rows}
        raw = np.ascontiguousarray(encoded.vectors, "<f4").tobytes() + encoded.small_copy
        shape = {"rows": rows, "columns": columns, "small_copy": len(encoded.small_copy)}
        self._answers.say("file", raw, number=number, picture=picture, **shape)

    async def _vectors(self, pool: Pool, request: dict[str, Any]) -> Vectors:
        priority = Priority(request["priority"])
        if request["ask"] == "texts":
            return await pool.encode(Kind.WORDS, request["texts"], priority)
        if self._frames is None:
            self._frames = mapped(self._shared, self._size)
        frames = self._frames[request["first"] :][: request["count"]]
        return await pool.encode(Kind.PIXELS, frames, priority)  # type: ignore[arg-type]  # rows of one array are frames


def _hand_over(requests: Requests, put: Callable[[dict[str, Any]], None]) -> None:
    """Requests come in a queue of threads; they go on in one of the event loop."""
    loop = asyncio.get_running_loop()

    def forever() -> None:
        with suppress(RuntimeError):  # the loop is closed: the process ends
            while True:
                loop.call_soon_threadsafe(put, requests.get())

    threading.Thread(target=forever, name="requests for the loop", daemon=True).start()
