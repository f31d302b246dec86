"""`python -m sandbox.demo`: index the demo guild with the real bot, ask it as its members would, show what it found.

Exit 0 only if every question's message came first and nobody saw what they may not see.
"""

import argparse
import asyncio
import re
import shutil
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from sandbox.demo.asking import ask_all
from sandbox.demo.bot import BotFailed, running_bot
from sandbox.demo.contact_sheet import contact_sheet
from sandbox.demo.world import SEED, DemoWorld, build
from sandbox.options import NotAllowed
from sandbox.permissions import INVITED, Permission
from sandbox.reply import NoAnswer, Reply
from sandbox.server import Sandbox, open_sandbox

_PERCENT: Final = re.compile(r"(\d+) %")
_INDEX_S: Final = 300.0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data/demo"), help="the bot's data folder, made anew")
    parser.add_argument("--sheet", type=Path, default=Path("demo/contact-sheet.png"), help="where the sheet is written")
    parser.add_argument("--weights", type=Path, help="weights to run on torch, for the export that is shipped")
    parser.add_argument("--seed", type=int, default=SEED, help="another guild")
    parser.add_argument(
        "--manage-threads",
        action="store_true",
        help="the bot has Manage Threads, which its invitation does not ask for",
    )
    return parser.parse_args(argv)


async def run(
    data: Path, sheet: Path, weights: Path | None, seed: int, console: Console, *, allowed: Permission = INVITED
) -> bool:
    """The whole demo; True if everything was right. Raises BotFailed, NoAnswer or NotAllowed when it cannot go on."""
    started = time.monotonic()
    demo = build(seed, bot_allowed=allowed)
    channels, messages, pictures = demo.counts()
    contents = f"{messages} messages, {pictures} of them with pictures"
    console.print(f"[bold]{demo.guild.name}[/]: {channels} channels and threads, {contents}")
    await asyncio.to_thread(_empty, data)
    async with open_sandbox(demo.world) as sandbox:
        console.print(f"Discord stands at {sandbox.base_url}; starting the bot …")
        async with running_bot(sandbox, demo.guild, data, weights):
            await _index(sandbox, demo, console)
            rows, right, asked, well = await ask_all(sandbox, demo, console)
        await asyncio.to_thread(contact_sheet, rows, sheet, title=f"{demo.guild.name}, asked", subtitle=contents)
    console.print(f"\ncontact sheet: {sheet}   ({time.monotonic() - started:.0f} s in all)")
    console.print(f"demo: {right}/{asked} queries found their message", highlight=False)
    return well


def _empty(folder: Path) -> None:
    """Deletes what an earlier run left: it belongs to another guild, because the ids are new."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


async def _index(sandbox: Sandbox, demo: DemoWorld, console: Console) -> None:
    """The owner uses /reindex start. The bar follows the message that the bot edits."""
    owner = sandbox.member(demo.owner)
    lounge = demo.channel("lounge")
    reply = await owner.slash(lounge.id, "reindex start")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("indexing", total=100)
        shown_percent = 0

        def done(current: Reply) -> bool:
            nonlocal shown_percent
            found = _PERCENT.search(current.text())
            if found is None:
                return True
            percent = int(found.group(1))
            progress.update(task, completed=percent)
            if not console.is_terminal and percent >= shown_percent + 10:
                shown_percent = percent
                console.print(f"indexing: {percent} %")
            return False

        await reply.until(done, _INDEX_S)
        progress.update(task, completed=100)
    for line in reply.text().replace("*", "").splitlines():
        console.print(f"  {line}", markup=False)
    if len(reply.texts()) == 1 and "\n" not in reply.text():
        raise BotFailed("it did not index the guild; its log is beside its data")


async def _until_terminated(demo: Coroutine[Any, Any, bool]) -> bool:
    """The demo's result. SIGTERM ends it as Ctrl-C does: the bot is stopped first."""
    running = asyncio.ensure_future(demo)
    loop = asyncio.get_running_loop()
    signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(running.cancel))
    return await running


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    given = _arguments(argv)
    weights: Path | None = given.weights
    console = Console(highlight=False, soft_wrap=True)
    if weights is not None and not weights.is_file():
        console.print(f"There is no model at {weights}; name another, or none for the one that is shipped.")
        return 1
    try:
        allowed = INVITED | Permission.MANAGE_THREADS if given.manage_threads else INVITED
        demo = run(given.data, given.sheet, weights, given.seed, console, allowed=allowed)
        return 0 if asyncio.run(_until_terminated(demo)) else 1
    except (BotFailed, NoAnswer, NotAllowed) as error:
        console.print(f"demo: {error}", markup=False)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130


if __name__ == "__main__":
    sys.exit(main())
