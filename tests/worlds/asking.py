"""The questions of members, and what a reply shows them."""

from __future__ import annotations

from sandbox.members import Person
from sandbox.reply import Reply


async def similar(person: Person, channel_id: int, **options: object) -> Reply:
    return await person.slash(channel_id, "similar", options)


def shown(reply: Reply) -> list[int]:
    """The messages of the hits, best first."""
    return [jump.message_id for section in reply.sections() for jump in section.jumps()]


def channels_of(reply: Reply) -> set[int]:
    """The channels that the reply links to."""
    return {jump.channel_id for jump in reply.jump_links()}
