"""The bot's side of a decode worker: what it is asked, one picture at a time, and what its answers may be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from indexer.pictures.decode_protocol import REQUEST
from indexer.pictures.worker_process import WorkerProcess, a_death, raise_rejected
from indexer.records.copies import Copy
from indexer.records.picture_header import number, picture_of
from indexer.records.pictures import THUMBNAIL_SIDE, DecodedPicture, Pixels, PixelSpec
from indexer.settings import MOST_FRAMES

MODULE = "indexer.pictures.decode_worker"


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The settings of a worker. `memory_bytes` is address space in addition to what the worker has at its start."""

    spec: PixelSpec
    max_pixels: int
    frames: int
    memory_bytes: int
    nice: int
    videos: bool = False  # whether they are opened, where the extra for them is installed

    def as_json(self) -> str:
        return json.dumps(
            {
                "size": self.spec.size,
                "resize_mode": self.spec.resize_mode,
                "interpolation": self.spec.interpolation,
                "fill": self.spec.fill,
                "max_pixels": self.max_pixels,
                "frames": self.frames,
                "memory_bytes": self.memory_bytes,
                "nice": self.nice,
                "videos": self.videos,
            }
        )


def _copy(fields: dict[str, object]) -> Copy:
    """Raises ValueError, KeyError or TypeError where a worker says what no comparison gives."""
    correlation, share, turned = fields["correlation"], fields["share"], fields["turned"]
    if not isinstance(correlation, float) or not isinstance(share, float) or not isinstance(turned, int):
        raise TypeError(f"{correlation!r}, {share!r}, {turned!r}")
    if not (0 <= correlation <= 1 and 0 <= share <= 1 and 0 <= turned <= 180):
        raise ValueError(f"{correlation}, {share}, {turned}")
    flags = (fields[name] is True for name in ("mirrored", "framed", "captioned"))
    mirrored, framed, captioned = flags
    return Copy(correlation, share, mirrored, turned, framed, captioned)


class Worker(WorkerProcess):
    """A process that decodes one picture at a time. `size` is the side of the model's square."""

    start_s: ClassVar[float] = 30.0  # it starts in 0.2 s; longer than this, and the machine is broken or overloaded
    most_header: ClassVar[int] = 64 * 1024  # a header is some 300 bytes
    size: int

    @classmethod
    async def start(cls, settings: WorkerSettings) -> Self:
        """Starts a worker. Raises CannotStart."""
        worker = await cls.begin(settings.as_json(), MODULE)
        worker.size = settings.spec.size
        return worker

    async def decode(self, data: bytes, budget_s: float, *, thumbnail: bool = False) -> DecodedPicture:
        """Decodes a file in at most `budget_s` seconds of processor time. After that SIGPROF ends the process.

        Raises Rejected for this picture, WorkerDied when this worker can no longer be used.
        """
        with a_death():
            await self.ask(REQUEST.pack(len(data), budget_s, thumbnail, 0), data)
            return await self._picture(json.loads(await self.header()), data)

    async def compare(self, question: bytes, candidate: bytes, budget_s: float) -> Copy | None:
        """Whether the pictures of two files are copies of each other. Limits and errors as of `decode`."""
        with a_death():
            await self.ask(REQUEST.pack(len(question), budget_s, False, len(candidate)), question, candidate)
            header = json.loads(await self.header())
            raise_rejected(header)
            return None if header["copy"] is None else _copy(header["copy"])

    async def _picture(self, header: dict[str, object], data: bytes) -> DecodedPicture:
        raise_rejected(header)
        frames = [await self._pixels(self.size, self.size) for _ in range(number(header, "frames", MOST_FRAMES))]
        thumbnail = None
        if header.get("thumbnail") is not None:
            thumbnail = await self._pixels(*_size_of_thumbnail(header["thumbnail"]))
        return picture_of(header, len(data), frames, thumbnail)

    async def _pixels(self, width: int, height: int) -> Pixels:
        data = await self._answers.readexactly(width * height * 3)
        return np.frombuffer(data, np.uint8).reshape((height, width, 3))


def _size_of_thumbnail(size: object) -> tuple[int, int]:
    """Width and height. Raises ValueError for what no thumbnail has."""
    match size:
        case [int(width), int(height)] if 0 < width <= THUMBNAIL_SIDE and 0 < height <= THUMBNAIL_SIDE:
            return width, height
    raise ValueError(f"thumbnail = {size!r}")
