"""`python -m sandbox.export.demo`: the demo server as an export, imported without any Discord, and searched.

Exit 0 only if each question's message came first.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from sandbox.demo.contact_sheet import Row, Shown, contact_sheet
from sandbox.demo.pictures import Picture, cropped
from sandbox.demo.world import SEED, DemoWorld, build
from sandbox.export.__main__ import write_demo
from sandbox.export.writer import ExportOptions
from sandbox.model import CONFIG, EXPORT, NAME, RESIZE_MODE, WEIGHTS

_TOP = 5
_COMMAND_S = 600.0


class CommandFailed(Exception):
    """A command of Afterimage ended with an exit code other than 0. The message is the command's output."""


@dataclass(frozen=True, slots=True)
class Question:
    """`expected` is the landmark that must come first. `picture` is passed as a file, `words` are typed."""

    title: str
    expected: str
    words: str = ""
    picture: Picture | None = None


def questions(demo: DemoWorld) -> list[Question]:
    """Words, words for an archived thread, and a crop of an old photo."""
    return [
        Question("words", "penguin", "penguin"),
        Question("words, for something in an archived thread", "walk", "owl and maple leaf"),
        Question("a crop of an old photo", "crop", picture=demo.pictures["crop"].edited(cropped(0.8, 5))),
    ]


def config_text(data_dir: Path) -> str:
    """A config.toml with the demo's model. It contains no setting of Discord."""
    values = {
        "data_dir": str(data_dir.resolve()),
        "model.name": NAME,
        "model.pretrained": str(WEIGHTS),
        "model.config_file": str(CONFIG),
        "model.resize_mode": RESIZE_MODE,
        "model.folder": str(EXPORT),
    }
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


async def command(*arguments: str, shown: bool = False) -> str:
    """Run `python -m bot …`; returns its output. `shown`: its progress is printed. Raises CommandFailed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=None if shown else asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith("AFTERIMAGE_")},
    )
    try:
        async with asyncio.timeout(_COMMAND_S):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise CommandFailed((err or out).decode(errors="replace").strip())
    return out.decode()


async def run(folder: Path, sheet: Path, seed: int, console: Console) -> bool:
    """The whole demo; True if everything was right. Raises CommandFailed."""
    begun = time.monotonic()
    await asyncio.to_thread(_empty, folder)
    demo = await asyncio.to_thread(build, seed)
    export, config = folder / "export", folder / "config.toml"
    console.print(f"[bold]{demo.guild.name}[/] is being exported, with its media …")
    written = await asyncio.to_thread(write_demo, demo, export, ExportOptions())
    contents = f"{len(written.documents)} documents, {written.messages} messages, {written.files} files"
    console.print(f"{contents} in {export}")
    await asyncio.to_thread(config.write_text, config_text(folder / "data"), "utf-8")
    console.print(f"[bold]afterimage import {export}[/]  (no bot, no token, no Discord)")
    said = await command("import", str(export), "--config", str(config), shown=True)
    console.print(Text(said.rstrip(), style="dim"))
    rows = [await _ask(question, demo, folder, config, console) for question in questions(demo)]
    await asyncio.to_thread(contact_sheet, rows, sheet, title=f"{demo.guild.name}, from an export", subtitle=contents)
    right = sum(row.well for row in rows)
    console.print(f"\ncontact sheet: {sheet}   ({time.monotonic() - begun:.0f} s in all)")
    console.print(f"demo: {right}/{len(rows)} queries found their message", highlight=False)
    return right == len(rows)


def _empty(folder: Path) -> None:
    """Deletes what an earlier run left: it belongs to another export, because the ids are new."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


async def _ask(question: Question, demo: DemoWorld, folder: Path, config: Path, console: Console) -> Row:
    """One search on the command line, printed and as a row of the sheet."""
    arguments = [question.words] if question.words else []
    if question.picture is not None:
        upload = folder / f"upload.{question.picture.extension}"
        await asyncio.to_thread(upload.write_bytes, question.picture.encoded())
        arguments += ["--image", str(upload)]
    answer: dict[str, Any] = json.loads(await command("search", "--json", "--config", str(config), *arguments))
    hits = answer["hits"][:_TOP]
    expected = demo.landmarks[question.expected]
    well = bool(hits) and hits[0]["message_id"] == str(expected.id)
    console.print()
    console.print(Text(f"{question.title} {question.words!r}".removesuffix(" ''"), style="bold"))
    for number, hit in enumerate(hits, 1):
        console.print(f"  {number}  {hit['named']:<20.20}  #{hit['channel']}  {hit['author']}", highlight=False)
        console.print(Text(f"     {hit['link']}\n     {hit['path']}", style="dim"))
    verdict = "the message came first" if well else f"expected {expected.jump_url} first"
    console.print(Text(f"  {'✓' if well else '✗'} {verdict}", style="green" if well else "red"))
    shown = [await asyncio.to_thread(_shown, hit, expected.id) for hit in hits]
    picture = question.picture.image() if question.picture is not None else None
    return Row(question.title, question.words, picture, well, shown, "" if hits else "nothing close enough")


def _shown(hit: dict[str, Any], expected: int) -> Shown:
    day = datetime.fromtimestamp(hit["unix_ms"] / 1000, UTC).date().isoformat()
    data = Path(hit["path"]).read_bytes() if hit["path"] else None
    return Shown(data, hit["named"], f"#{hit['channel']} · {hit['author']} · {day}", hit["message_id"] == str(expected))


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.export.demo", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("data/demo-archive"), help="made anew")
    parser.add_argument("--sheet", type=Path, default=Path("demo/archive-sheet.png"), help="where the sheet is written")
    parser.add_argument("--seed", type=int, default=SEED, help="another guild")
    given = parser.parse_args(argv)
    console = Console(highlight=False, soft_wrap=True)
    try:
        return 0 if asyncio.run(run(given.folder, given.sheet, given.seed, console)) else 1
    except CommandFailed as error:
        console.print(f"demo: {error}", markup=False)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
