"""The peer of benchmarks/http.py: aiohttp as it comes, one handler that answers the same bytes and checks nothing.

`python -m benchmarks.http_plain BYTES` serves a body of that many bytes until it is killed, and prints its address.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web


@asynccontextmanager
async def open_plain(size: int) -> AsyncIterator[str]:
    """The server in a process of its own; gives its address."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.http_plain", str(size),
        cwd=Path(__file__).parents[1], stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    try:
        async with asyncio.timeout(60):
            url = (await child.stdout.readline()).decode().strip()
        yield url
    finally:
        child.kill()
        await child.wait()


async def serve(size: int) -> None:
    """Serves the body until killed."""
    body = bytes(size)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="image/webp")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
