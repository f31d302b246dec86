"""The pools of decode workers."""

from __future__ import annotations

from dataclasses import dataclass

from indexer.pictures.decode_process import Worker, WorkerSettings
from indexer.pictures.worker_pool import WorkerPool
from indexer.records.copies import Copy
from indexer.records.pictures import DecodedPicture


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """`count` workers; a picture may take `budget_s` of processor time and `longest_s` by the clock.

    `waiting` pictures may wait for a worker.
    """

    worker: WorkerSettings
    count: int
    budget_s: float
    longest_s: float
    waiting: int


class Pool(WorkerPool[Worker]):
    """Opens and compares pictures."""

    def __init__(self, settings: PoolSettings) -> None:
        super().__init__(
            lambda: Worker.start(settings.worker),
            count=settings.count,
            budget_s=settings.budget_s,
            longest_s=settings.longest_s,
            waiting=settings.waiting,
        )

    async def decode(self, data: bytes, *, thumbnail: bool = False) -> DecodedPicture:
        """Decodes a file, with a thumbnail if wanted. Raises Rejected, ReadersBusy, or Stop; see Decoder.decode."""
        return await self.run(lambda worker, budget_s: worker.decode(data, budget_s, thumbnail=thumbnail), len(data))

    async def compare(self, question: bytes, candidate: bytes) -> Copy | None:
        """Whether the pictures of two files are copies of each other. Raises as `decode`."""
        length = len(question) + len(candidate)
        return await self.run(lambda worker, budget_s: worker.compare(question, candidate, budget_s), length)
