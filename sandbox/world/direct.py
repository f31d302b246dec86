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
    read_id: int = 0
    """The newest message that the user has seen; 0: none."""

    @property
    def unread(self) -> int:
        """How many messages the user has not seen yet."""
        return sum(message.id > self.read_id for message in self.messages)

    def page(self, limit: int, *, before: int | None = None) -> list[DirectMessage]:
        """Up to `limit` messages, newest first."""
        older = [message for message in self.messages if before is None or message.id < before]
        return older[: -limit - 1 : -1]
