"""An answer of the bot, as the member who asked sees it."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sandbox.checks.components import walk
from sandbox.interactions import Interaction
from sandbox.wire import Json
from sandbox.wire import components as kinds
from sandbox.wire.messages import message as shown
from sandbox.world import Message, MessageFlag

if TYPE_CHECKING:
    from sandbox.server import Sandbox

_JUMP: Final = re.compile(r"https://(?:\w+\.)?discord\.com/channels/(\d+)/(\d+)/(\d+)")


class NoAnswer(Exception):
    """The bot did not answer in time. The message says what the member sees, and what the bot did instead."""


@dataclass(frozen=True, slots=True, order=True)
class Jump:
    """A link to a message."""

    guild_id: int
    channel_id: int
    message_id: int


@dataclass(frozen=True, slots=True)
class Button:
    """A button as shown. `custom_id` is "" for a link."""

    label: str
    custom_id: str
    url: str
    style: int
    disabled: bool


@dataclass(frozen=True, slots=True)
class Section:
    """A section: its texts, and beside them a thumbnail (its address, its alt text) or a button.

    `proxied` is the address where a Discord app really loads the thumbnail: Discord's media proxy.
    """

    texts: tuple[str, ...]
    thumbnail: str | None
    proxied: str | None
    description: str | None
    spoiler: bool
    button: Button | None

    def jumps(self) -> tuple[Jump, ...]:
        """The links to messages in its texts and button."""
        return _jumps([*self.texts, self.button.url if self.button else ""])


class Reply:
    """The answer to one interaction. Its properties show the message as it is now: the bot may edit it later."""

    def __init__(self, sandbox: "Sandbox", interaction: Interaction, message: Message | None = None) -> None:
        self.sandbox = sandbox
        self.interaction = interaction
        self._message = message

    @property
    def message(self) -> Message:
        """The message. Raises NoAnswer when there is none (the answer is a modal, or missing)."""
        found = self._message or self.interaction.original
        if found is None:
            raise NoAnswer(f"the answer {self.interaction.answer!r} shows no message")
        return found

    @property
    def modal(self) -> Json | None:
        """The modal that was opened, if one was."""
        return self.interaction.modal

    @property
    def deferred_ms(self) -> float:
        """Milliseconds from the member's click to the bot's acknowledgement."""
        assert self.interaction.acknowledged_at is not None
        return (self.interaction.acknowledged_at - self.interaction.born_at) * 1000

    @property
    def reply_ms(self) -> float:
        """Milliseconds from the member's click to the answer (not "… is thinking").
        Raises NoAnswer before the answer.
        """
        if self.interaction.answered_at is None:
            raise NoAnswer("the bot has acknowledged, but not answered yet")
        return (self.interaction.answered_at - self.interaction.born_at) * 1000

    @property
    def gone(self) -> bool:
        """Whether the message was deleted."""
        return not self.sandbox.interactions.exists(self.message)

    @property
    def ephemeral(self) -> bool:
        return self.message.ephemeral

    @property
    def flags(self) -> MessageFlag:
        return self.message.flags

    @property
    def payload(self) -> Json:
        """The message in Discord's JSON."""
        return shown(self.message, self.sandbox.links)

    @property
    def content(self) -> str:
        return self.message.content

    @property
    def components(self) -> list[Json]:
        """The components in Discord's JSON."""
        found: list[Json] = self.payload["components"]
        return found

    @property
    def followups(self) -> list["Reply"]:
        """What the bot sent after the answer."""
        return [Reply(self.sandbox, self.interaction, message) for message in self.interaction.followups]

    def texts(self) -> list[str]:
        """Everything that is written: the content, then every text display in reading order."""
        written = [c["content"] for c in walk(self.components) if c["type"] == kinds.TEXT]
        return [self.content, *written] if self.content else written

    def text(self) -> str:
        """`texts` as one string, one line for each."""
        return "\n".join(self.texts())

    def sections(self) -> list[Section]:
        """Its sections, first to last."""
        found = []
        for component in walk(self.components):
            if component["type"] == kinds.SECTION:
                beside = component["accessory"]
                picture = beside if beside["type"] == kinds.THUMBNAIL else None
                found.append(
                    Section(
                        tuple(child["content"] for child in component["components"]),
                        picture["media"]["url"] if picture else None,
                        picture["media"]["proxy_url"] if picture else None,
                        picture["description"] if picture else None,
                        bool(picture and picture["spoiler"]),
                        _button(beside) if picture is None else None,
                    )
                )
        return found

    def thumbnails(self) -> list[str]:
        """The addresses of its pictures: thumbnails, then galleries."""
        found = [section.thumbnail for section in self.sections() if section.thumbnail]
        for component in walk(self.components):
            found += [item["media"]["url"] for item in component.get("items", ())]
        return found

    def buttons(self) -> list[Button]:
        """Its buttons, first to last."""
        return [_button(c) for c in walk(self.components) if c["type"] == kinds.BUTTON]

    def selects(self) -> list[Json]:
        """Its select menus."""
        return [c for c in walk(self.components) if c["type"] in kinds.SELECTS]

    def jump_links(self) -> list[Jump]:
        """Links to messages, in reading order, each once."""
        texts = [c.get("content") or c.get("url") or "" for c in walk(self.components)]
        return list(dict.fromkeys(_jumps([self.content, *texts])))

    def files(self) -> dict[str, bytes]:
        """The message's files by name, including those that components show."""
        return {attachment.file.name: attachment.file.data for attachment in self.message.attachments}

    async def until(self, condition: Callable[["Reply"], bool], timeout_s: float = 30.0) -> "Reply":
        """Wait until `condition` is true for this reply. Raises NoAnswer after `timeout_s` seconds."""
        if not await self.interaction.changed.until(lambda: condition(self), timeout_s):
            raise NoAnswer(f"after {timeout_s} s the reply is still: {self.text()!r}")
        return self

    async def settled(self, quiet_s: float = 0.3, timeout_s: float = 30.0) -> "Reply":
        """Wait until nothing has changed for `quiet_s` seconds. Raises NoAnswer after `timeout_s` seconds."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while asyncio.get_running_loop().time() < deadline:
            if not await self.interaction.changed.again(quiet_s):
                return self
        raise NoAnswer(f"the reply still changes after {timeout_s} s: {self.text()!r}")


def _button(component: Json) -> Button:
    emoji = (component.get("emoji") or {}).get("name", "")
    return Button(
        component.get("label") or emoji, component.get("custom_id") or "", component.get("url") or "",
        component["style"], bool(component.get("disabled")),
    )  # fmt: skip


def _jumps(texts: list[str]) -> tuple[Jump, ...]:
    return tuple(Jump(*(int(part) for part in found.groups())) for text in texts for found in _JUMP.finditer(text))
