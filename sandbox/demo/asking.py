"""Every question of the demo, asked as its member would, with what came of it on the console."""

from collections.abc import Sequence
from typing import Final

import aiohttp
from rich.console import Console
from rich.text import Text

from sandbox.demo.contact_sheet import Row, Shown
from sandbox.demo.hits import Hit, hits
from sandbox.demo.questions import Question, questions
from sandbox.demo.world import DemoWorld
from sandbox.reply import Reply
from sandbox.server import Sandbox

_TOP: Final = 5


async def ask_all(sandbox: Sandbox, demo: DemoWorld, console: Console) -> tuple[list[Row], int, int, bool]:
    """Returns (rows of the sheet, questions that found their message, questions with one to find,
    whether nothing went wrong).
    """
    rows: list[Row] = []
    right = asked = leaks = 0
    async with aiohttp.ClientSession() as session:
        for question in questions(demo):
            person = sandbox.member(demo.people[question.asker])
            reply = await question.ask(demo, person)
            found = hits(reply, demo)[:_TOP]
            expected = demo.landmarks[question.expected] if question.expected else None
            first = bool(expected and found and found[0].jump.message_id == expected.id)
            leaked = [hit for hit in found if hit.channel.removeprefix("#") in question.forbidden]
            unreadable = [hit for hit in found if not _may_read(demo, person.member.id, hit)]
            if expected is not None:
                asked += 1
                right += first
            leaks += len(leaked) + len(unreadable)
            well = (first or expected is None) and not leaked and not unreadable
            _print(console, question, demo, reply, found, well=well)
            rows.append(await _row(session, question, demo, found, well=well))
    return rows, right, asked, right == asked and not leaks


def _may_read(demo: DemoWorld, user_id: int, hit: Hit) -> bool:
    channel = demo.guild.find(hit.jump.channel_id)
    return channel is not None and channel.read_by(demo.guild.members[user_id])


def _print(
    console: Console, question: Question, demo: DemoWorld, reply: Reply, found: Sequence[Hit], *, well: bool
) -> None:
    asker = demo.people[question.asker].display_name
    words = f' "{question.words}"' if question.words else ""
    console.print()
    console.print(Text(f"{asker} in #{question.place}: {question.title}{words}", style="bold"))
    for i, hit in enumerate(found, 1):
        line = f"  {i}  {hit.score:>5}  {hit.band:<13}  {hit.channel:<20.20}  {hit.author:<8.8}  {hit.age:<10}"
        console.print(Text.assemble(line, (hit.link, "dim")))
    if not found:
        console.print(Text("\n".join(f"  {line}" for line in reply.text().splitlines()), style="dim"))
    if question.expected:
        verdict = "the message came first" if well else f"expected {demo.landmarks[question.expected].jump_url} first"
    else:
        names = ", ".join(f"#{name}" for name in question.forbidden)
        verdict = f"nothing from {names}, as it should be" if well else f"LEAK from {names}"
    console.print(
        Text(f"  {'✓' if well else '✗'} {verdict} ({reply.reply_ms:.0f} ms)", style="green" if well else "red")
    )


async def _row(
    session: aiohttp.ClientSession, question: Question, demo: DemoWorld, found: Sequence[Hit], *, well: bool
) -> Row:
    shown = []
    for hit in found:
        data = None
        if hit.thumbnail:
            async with session.get(hit.thumbnail, timeout=aiohttp.ClientTimeout(total=20)) as response:
                data = await response.read() if response.status == 200 else None
        expected = question.expected is not None and hit.jump.message_id == demo.landmarks[question.expected].id
        shown.append(
            Shown(data, f"{hit.band} {hit.score}".strip(), f"{hit.channel} · {hit.author} · {hit.age}", expected)
        )
    picture = question.picture or (demo.pictures[question.menu] if question.menu else None)
    note = "" if found else "nothing close enough"
    asker = demo.people[question.asker].display_name
    title = f"{asker} in #{question.place}: {question.title}"
    return Row(title, question.words, picture.image() if picture else None, well, shown, note)
