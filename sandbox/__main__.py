"""`python -m sandbox`: a Discord on this machine with the demo guild in it, until it is told to stop.

One line of JSON on standard output says where it is, once it can be used:

    {"api_base": "http://127.0.0.1:4821/api/v10", "token": "…", "cdn_host": "127.0.0.1:4821",
     "page": "http://127.0.0.1:4821/", "guild_id": "…", "pid": 7}

`page` is for people: be any member of the guild in a browser, write, ask the bot and press its buttons.

The bot's configuration for it: discord.api_base = api_base, fetch.insecure_hosts = [cdn_host], and the token in the
environment. With --ready-file the same line is written to that file too (renamed into place, so it is never half
there). With --while-stdin the sandbox ends when its standard input does: a parent that dies takes it along.
"""

import argparse
import asyncio
import json
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from sandbox.demo.world import SEED, build
from sandbox.server import Sandbox, open_sandbox


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1 (0: a free one)")
    parser.add_argument("--seed", type=int, default=SEED, help="another guild")
    parser.add_argument("--token", default="", help="the bot's token (default: a new one)")
    parser.add_argument("--ready-file", type=Path, help="a file that gets the addresses once they can be used")
    parser.add_argument("--while-stdin", action="store_true", help="end when standard input (a pipe) ends")
    given = parser.parse_args(argv)
    if given.while_stdin and stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode):
        parser.error("--while-stdin needs a pipe or a terminal as standard input, not a file")
    return given


def address(sandbox: Sandbox) -> str:
    """The line of JSON that says where the sandbox is."""
    guild_id = next(iter(sandbox.world.guilds))
    return json.dumps(
        {
            "api_base": sandbox.api_base, "token": sandbox.token, "cdn_host": sandbox.cdn_host,
            "page": sandbox.base_url + "/", "guild_id": str(guild_id), "pid": os.getpid(),
        }
    )  # fmt: skip


async def serve(port: int, seed: int, token: str, ready_file: Path | None, *, while_stdin: bool) -> None:
    """Serve the demo guild until SIGTERM, SIGINT or (`while_stdin`) the end of standard input. Raises OSError."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end())  # event loops on Windows have no add_signal_handler
    demo = build(seed)
    if token:
        demo.world.application.token = token
    async with open_sandbox(demo.world, port=port, page=True) as sandbox:
        line = address(sandbox)
        print(line, flush=True)
        if ready_file is not None:
            await asyncio.to_thread(_write, ready_file, line)
        if while_stdin:
            threading.Thread(target=_drain, args=(end,), name="standard input", daemon=True).start()
        await stop.wait()


def _drain(end: Callable[[], object]) -> None:
    """Reads standard input to its end, then calls `end`.
    Runs in a thread, because event loops on Windows cannot wait for files.
    """
    while os.read(sys.stdin.fileno(), 4096):
        pass
    with suppress(RuntimeError):  # the loop was closed meanwhile
        end()


def _write(path: Path, line: str) -> None:
    made = path.with_name(f"{path.name}.{os.getpid()}")
    made.write_text(line + "\n")
    made.replace(path)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, or 1 if the port is not available."""
    given = _arguments(argv)
    try:
        asyncio.run(serve(given.port, given.seed, given.token, given.ready_file, while_stdin=given.while_stdin))
    except OSError as error:
        print(f"The sandbox cannot listen on 127.0.0.1:{given.port}: {error.strerror}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
