"""Files that are opened and embedded in a cluster, for runs that were asked to (`--fleet`), whatever runtime is set.

A file goes there, and what comes back is all that the pipeline has of a picture that was opened here, with its vectors.
Where the cluster is lost meanwhile, files are opened here again after HERE_S, by this machine's own readers and model.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, replace
from importlib.util import find_spec

import numpy as np

from indexer.encode.batching import ModelFailed
from indexer.encode.encoder import CLUSTER_WORKER, ModelEncoder, open_remote_encoder
from indexer.encode.model_on_demand import CLUSTER_FAULT
from indexer.errors import ConfigError, ModelAway, ModelUnavailable, Rejected, RetryLater, TellPerson
from indexer.ports import Encoder
from indexer.records.pictures import EncodedFile
from indexer.settings import Settings
from indexer.supervisor import Faults

log = logging.getLogger(__name__)

KNOCK_S = 5.0  # for a connection to its port
JOIN_S = 900.0  # the first encoder of a cluster may have to download and export the model
HERE_S = 30.0  # a cluster that is away for so long has this machine open files; an encoder that died is back sooner
AGAIN_S = 1.0
LOOK_S = 10.0  # while it is away, one file in so many seconds tries it
MOST_BYTES = 7_500_000  # of a file: what goes along with its call (WITH_THE_CALL). A larger one is opened here


class ClusterFiles:
    """One way to the cluster for all runs that want it. Belongs to one event loop."""

    def __init__(self, settings: Settings, readers: int, faults: Faults, driver: str = CLUSTER_WORKER) -> None:
        """`readers`: the version of this machine's readers; nodes with other ones open nothing."""
        self._settings = settings
        self._faults = faults
        self._driver = driver
        cluster = settings.ray
        # An encoder opens as many files at once as it has cores.
        decode = replace(settings.decode, workers=max(int(cluster.cores), 1))
        self._wanted = {"decode": asdict(decode), "readers": readers}
        self._turn = asyncio.Lock()
        self._runs = 0
        self._stack = AsyncExitStack()
        self._remote: ModelEncoder | None = None
        self._own: Encoder | None = None
        self._told_of_readers = False
        self._away_s: float | None = None  # since when nothing has come back
        self._look_s = 0.0  # when a file tries it again

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[None]:
        """The cluster has an encoder at the beginning of the block; the process that reaches it ends with the last one.

        Raises TellPerson: what is missing, and what to do.
        """
        async with self._turn:
            if self._remote is None:
                await self._join()
            self._runs += 1
        try:
            yield
        finally:
            async with self._turn:
                self._runs -= 1
                if not self._runs:
                    self._remote = None
                    await self._stack.aclose()

    async def must_be_like(self, own: Encoder) -> None:
        """Only files whose vectors are those of this machine's model may come back. Raises TellPerson."""
        self._own = own
        async with self._turn:
            self._compare()

    async def encode(self, file: bytes, sha256: bytes, *, thumbnail: bool) -> EncodedFile | None:
        """What the file, of this SHA-256, became; None where this machine has to open it. Within `joined`.

        Raises Rejected for what cannot be read, as this machine's own readers do.
        """
        if len(file) > MOST_BYTES:
            return None
        while self._remote is not None and self._tries():
            try:
                remote = self._remote
                encoded = await remote.encode_file(file, {**self._wanted, "thumbnail": thumbnail})
                _must_be_of(encoded, sha256, remote.spec.dimension)
            except Rejected:
                self._back()
                raise
            except ModelFailed as error:
                if not self._told_of_readers:  # once, not for each of thousands
                    self._told_of_readers = True
                    text = f"The cluster does not take a file, so this machine opens it: {error}"
                    self._faults.add(CLUSTER_FAULT, ModelAway(text))
                return None
            except RetryLater as error:
                self._away(error)
                if self._is_gone():
                    return None
                await asyncio.sleep(AGAIN_S)
            else:
                self._back()
                return encoded
        return None

    async def _join(self) -> None:
        if find_spec("ray") is None:
            raise TellPerson("fleet-no-ray")
        settings, address = self._settings, self._settings.ray.address
        model = replace(settings.with_exports(settings.model), runtime="ray")  # each node takes the runtime that it has
        opening = open_remote_encoder(
            model, settings.ray, self._faults, data_dir=settings.data_dir, worker=self._driver
        )
        try:
            await _knock(address)
            async with asyncio.timeout(JOIN_S):
                self._remote = await self._stack.enter_async_context(opening)
                await self._remote.start()
                self._compare()
                await self._probe(self._remote)
        except BaseException as error:
            self._remote = None
            await self._stack.aclose()
            if isinstance(error, TimeoutError):
                reason = f"it had no encoder after {JOIN_S:g} s"
            elif isinstance(error, ModelUnavailable | ConfigError | RetryLater):
                reason = str(error)
            else:
                raise
            raise TellPerson("fleet-away", address=address, reason=reason) from error
        self._away_s = None
        log.info("the cluster at %s opens and embeds files: %s", address, self._remote.choice)

    async def _probe(self, remote: ModelEncoder) -> None:
        """An encoder opens an empty file as far as it can be: its readers are started. Raises ModelUnavailable."""
        try:
            await remote.encode_file(b"", {**self._wanted, "thumbnail": False})
        except Rejected:
            return
        except ModelFailed as error:
            raise ModelUnavailable(str(error)) from error

    def _compare(self) -> None:
        own, remote = self._own, self._remote
        if own is None or remote is None or (own.spec, own.pixel_spec) == (remote.spec, remote.pixel_spec):
            return
        raise TellPerson("fleet-other-model", address=self._settings.ray.address, model=own.spec.name)

    def _tries(self) -> bool:
        """Whether a file goes there now: not where it has been away for long, but for one now and then."""
        if self._is_gone():
            if time.monotonic() < self._look_s:
                return False
            self._look_s = time.monotonic() + LOOK_S
        return True

    def _is_gone(self) -> bool:
        return self._away_s is not None and time.monotonic() - self._away_s >= HERE_S

    def _away(self, error: RetryLater) -> None:
        if self._away_s is None:
            self._away_s, self._look_s = time.monotonic(), 0.0
            address = self._settings.ray.address
            self._faults.add(CLUSTER_FAULT, ModelAway(f"The cluster at {address} is away ({error})"))

    def _back(self) -> None:
        if self._away_s is not None:
            log.info("the cluster at %s answers again", self._settings.ray.address)
            self._away_s = None
            self._faults.healthy(CLUSTER_FAULT)


def _must_be_of(encoded: EncodedFile, sha256: bytes, dimension: int) -> None:
    """What another machine answers is stored under the file's name only if it is the file's. Raises ModelFailed."""
    if encoded.picture.sha256 != sha256:
        raise ModelFailed("what came back is of another file")
    if encoded.vectors.shape[1] != dimension or not np.isfinite(encoded.vectors).all():
        raise ModelFailed(f"its vectors are not {dimension} finite numbers each")


async def _knock(address: str) -> None:
    """Where nobody listens at host:port, Ray itself waits for minutes without a word. Raises ModelUnavailable."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        async with asyncio.timeout(KNOCK_S):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, TimeoutError, OverflowError) as error:
        raise ModelUnavailable(f"nobody answers there: {str(error) or f'{KNOCK_S:g} s went by'}") from error
    writer.close()
