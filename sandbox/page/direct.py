"""The conversation with the bot of whoever uses the page. No id names it: a member can ask only for their own."""

from typing import Final

from sandbox.members import Person
from sandbox.wire import Json
from sandbox.wire.direct import direct_message
from sandbox.world.direct import DirectChannel

DIRECT: Final = "direct"
"""What the page sends instead of a channel's id."""


def _conversation(person: Person) -> DirectChannel | None:
    return person.sandbox.world.direct.get(person.member.id)


def unread(person: Person) -> int:
    """How many direct messages this person has not seen."""
    found = _conversation(person)
    return 0 if found is None else found.unread


def version(person: Person) -> str:
    """Changes with every new message: the bot can neither edit nor delete one here."""
    found = _conversation(person)
    return str(0 if found is None else len(found.messages))


def page(person: Person, limit: int, before: int | None) -> list[Json]:
    """Up to `limit` messages, newest first."""
    found = _conversation(person)
    if found is None:
        return []
    bot = person.sandbox.world.bot
    return [direct_message(message, found, bot) for message in found.page(limit, before=before)]


def mark_read(person: Person, message_id: int) -> None:
    """The person has seen this message and all before it."""
    found = _conversation(person)
    if found is not None:
        found.read_id = max(found.read_id, message_id)
