"""Reads a folder of pictures as the bot indexes: decode workers and the model's process. For encode_end_to_end.py.

`python -m benchmarks.encode_ours FOLDER CHECKPOINT EXPORTS [PRECISION]`: "ready", it waits for a line, and the seconds.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from benchmarks.random_model import MODEL
from indexer.encode.encoder import open_encoder
from indexer.pictures.decoder import open_decoder
from indexer.settings import DecodeSettings, ModelSettings

AT_ONCE = 32  # pictures on their way; the bot's own queues hold more


async def main(folder: Path, checkpoint: Path, exports: Path, precision: str) -> None:
    settings = ModelSettings(MODEL, str(checkpoint), device="cpu", precision=precision, export_dir=exports, idle_s=0)
    async with open_encoder(settings) as encoder, open_decoder(DecodeSettings(), encoder.pixel_spec) as decoder:
        free = asyncio.Semaphore(AT_ONCE)

        async def index(path: Path) -> None:
            async with free:
                picture = await decoder.decode(await asyncio.to_thread(path.read_bytes))
                await encoder.encode_pixels(picture.frames)

        paths = await asyncio.to_thread(lambda: sorted(folder.iterdir()))
        await asyncio.gather(*(index(path) for path in paths[:4]))
        print("ready", encoder.choice, flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        began_s = time.perf_counter()
        await asyncio.gather(*(index(path) for path in paths))
        print(time.perf_counter() - began_s, flush=True)
        await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    pictures, weights, models, *precision = sys.argv[1:]
    asyncio.run(main(Path(pictures), Path(weights), Path(models), *precision or ["auto"]))
