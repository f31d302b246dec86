"""A reply's hits, read from what the member sees."""

import re
from dataclasses import dataclass
from typing import Final

from sandbox.demo.world import DemoWorld
from sandbox.reply import Jump, Reply
from sandbox.snowflakes import ms

_TITLE: Final = re.compile(r"\*\*(?:\d+ · )?(.+?)\*\*(?:\s*\((.+?)\))?")
_AUTHOR: Final = re.compile(r"<@(\d+)>")
_MONTH_DAYS: Final = 30.4


@dataclass(frozen=True, slots=True)
class Hit:
    """One hit as shown: its band in words, its score as written ("" when the reply says none).

    `thumbnail` is where a Discord app gets its picture.
    """

    band: str
    score: str
    channel: str
    author: str
    age: str
    jump: Jump
    thumbnail: str | None

    @property
    def link(self) -> str:
        return f"https://discord.com/channels/{self.jump.guild_id}/{self.jump.channel_id}/{self.jump.message_id}"


def hits(reply: Reply, demo: DemoWorld) -> list[Hit]:
    """The sections of a reply that link to a message, first to last."""
    found = []
    for section in reply.sections():
        if not section.jumps():
            continue
        text = "\n".join(section.texts)
        title, author = _TITLE.search(text), _AUTHOR.search(text)
        jump = section.jumps()[0]
        channel = demo.guild.find(jump.channel_id)
        user = demo.world.users.get(int(author.group(1))) if author else None
        found.append(
            Hit(
                band=title.group(1) if title else "",
                score=(title.group(2) or "") if title else "",
                channel=f"#{channel.name}" if channel else str(jump.channel_id),
                author=user.display_name if user else "",
                age=age(demo.world.clock.now_ms() - ms(jump.message_id)),
                jump=jump,
                thumbnail=section.proxied,
            )
        )
    return found


def age(milliseconds: int) -> str:
    """The time since then, in the unit that a person would choose."""
    days = milliseconds / 86_400_000
    if days < 1:
        return f"{max(1, round(days * 24))} h"
    if days < 60:
        return f"{round(days)} days"
    return f"{round(days / _MONTH_DAYS)} months" if days < 700 else f"{days / 365:.1f} years"
