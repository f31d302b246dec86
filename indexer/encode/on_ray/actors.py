"""The pool's encoders as Ray's actors: made, found by name, asked.

An actor is detached and has a name that says which model it has, so that several bots share it, a bot that starts anew
finds its model loaded, and `afterimage encoder` can have it ready before the first bot. It ends by itself when no pool
asks after it (replica.py). Ray starts it anew when it dies, on another node where its own is gone; its calls are tried
again by the pool (pool.py).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import ray
from ray.exceptions import RayError, RayTaskError

from indexer.encode.batching import Kind, ModelFailed, OutOfMemory, Payload
from indexer.encode.on_ray.connection import NAMESPACE
from indexer.encode.on_ray.pool import ReplicaLost
from indexer.encode.on_ray.replica import EncoderReplica, settings_of_node
from indexer.encode.process import WORKER
from indexer.encode.protocol import Facts, settings_json
from indexer.errors import ModelUnavailable, Reason, Rejected
from indexer.ports import Priority
from indexer.records.picture_header import picture_of
from indexer.records.pictures import EncodedFile, Vectors
from indexer.settings import ModelSettings, RaySettings

# What does not change the vectors or the share of a node: encoders that differ in these alone are the same ones.
_INCIDENTAL = ("cache_dir", "export_dir", "idle_s", "batch_size")
_CALLS = 1000  # at once to an actor; pools bound what they send


class Actors:
    """Makes the encoders of one model in the cluster that this process has joined. `worker`: as of `open_encoder`."""

    def __init__(self, settings: ModelSettings, cluster: RaySettings, worker: str = WORKER) -> None:
        self._settings = settings_json(settings_of_node(settings, cluster))
        self._cluster = cluster
        self._worker = worker
        self._name = _name(self._settings, cluster, worker)
        self._actor = ray.remote(EncoderReplica)

    async def make(self, slot: int) -> ActorReplica:
        """Finds the encoder of this number or makes it. Raises ReplicaLost where the cluster does not answer."""
        return await asyncio.to_thread(self._make, slot)

    def _make(self, slot: int) -> ActorReplica:
        options = {
            "name": f"{self._name}-{slot}",
            "namespace": NAMESPACE,
            "get_if_exists": True,
            "lifetime": "detached",
            "max_restarts": -1,
            "max_task_retries": 0,
            "max_concurrency": _CALLS,
            "num_cpus": self._cluster.cores,
            "num_gpus": self._cluster.gpus,
            "scheduling_strategy": "SPREAD",
        }
        try:
            return ActorReplica(self._actor.options(**options).remote(self._settings, self._worker))
        except (RayError, ValueError, RuntimeError, OSError) as error:
            raise ReplicaLost(f"Ray cannot start it ({error})") from error

    async def has_room(self) -> bool:
        """Whether the cores and the share of a GPU for another one are free, be it on several nodes."""
        try:
            free = await asyncio.to_thread(ray.available_resources)
        except (RayError, ValueError, RuntimeError, OSError):
            return False
        wanted = {"CPU": self._cluster.cores, "GPU": self._cluster.gpus}
        return all(free.get(name, 0.0) >= amount for name, amount in wanted.items())


class ActorReplica:
    """pool.Replica over an actor's handle."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def open(self) -> Facts:
        told = await _answer(self._handle.open.remote())
        if "unavailable" in told:
            raise ModelUnavailable(str(told["unavailable"]))
        return Facts.of(told)

    async def encode(self, kind: Kind, payloads: Sequence[Payload], priority: Priority) -> Vectors:
        batch = list(payloads) if kind is Kind.WORDS else np.asarray(payloads)
        told = await _answer(self._handle.encode.remote(kind.value, batch, int(priority)))
        if "vectors" in told:
            return np.asarray(told["vectors"], np.float32)
        if "memory" in told:
            raise OutOfMemory(str(told["memory"]))
        if "failed" in told:
            raise ModelFailed(str(told["failed"]))
        raise ReplicaLost(str(told["away"]))

    async def encode_file(self, file: bytes, wanted: dict[str, Any]) -> EncodedFile:
        told = await _answer(self._handle.encode_file.remote(file, wanted))
        if "rejected" in told:
            reason, detail = told["rejected"]
            raise Rejected(Reason(reason), str(detail))
        if "failed" in told:
            raise ModelFailed(str(told["failed"]))
        if "away" in told:
            raise ReplicaLost(str(told["away"]))
        picture = picture_of(told["picture"], told["picture"]["byte_count"])
        return EncodedFile(picture, np.asarray(told["vectors"], np.float32), bytes(told["small_copy"]))

    async def health(self) -> None:
        await _answer(self._handle.health.remote())


async def _answer(reference: Any) -> Any:
    """Raises ReplicaLost for all that the actor has not said itself: a node where our code fails is of no use."""
    try:
        return await reference
    except (RayError, ConnectionError) as error:
        raise ReplicaLost(_sentence(error)) from error


def _sentence(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if isinstance(error, RayTaskError) else lines[0] if lines else ''}"


def _name(settings: dict[str, Any], cluster: RaySettings, worker: str) -> str:
    told = {name: value for name, value in settings.items() if name not in _INCIDENTAL}
    which = json.dumps([told, cluster.cores, cluster.gpus, worker], sort_keys=True)
    return f"encoder-{hashlib.sha256(which.encode()).hexdigest()[:12]}"
