"""Direct messages: the bot's conversations with single users."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox.world.guilds import User


@dataclass(frozen=True, slots=True)
class DirectMessage:
    """A message that the bot has sent to one user."""

    id: int
    content: str
    nonce: str | int | None = None


@dataclass(slots=True)
class DirectChannel:
    """The conversation with one user. There is one for each user, made when the bot asks for it."""

    id: int
    recipient: User
    messages: list[DirectMessage] = field(default_factory=list)
