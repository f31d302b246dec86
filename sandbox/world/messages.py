"""Messages and the objects that belong to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Any

from sandbox import mentions
from sandbox.world import events

if TYPE_CHECKING:
    from sandbox.world.channels import Channel
    from sandbox.world.files import File
    from sandbox.world.guilds import User


class MessageKind(IntEnum):
    """The message types the sandbox makes."""

    DEFAULT = 0
    USER_JOIN = 7
    REPLY = 19
    CHAT_INPUT_COMMAND = 20
    CONTEXT_MENU_COMMAND = 23


class MessageFlag(IntFlag):
    """The message flags the sandbox knows."""

    NONE = 0
    CROSSPOSTED = 1 << 0
    SUPPRESS_EMBEDS = 1 << 2
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    HAS_SNAPSHOT = 1 << 14
    COMPONENTS_V2 = 1 << 15


@dataclass(slots=True)
class Attachment:
    """A file of a message. `inside`: shown by an embed or component, and so left out of the attachments.

    `ephemeral`: uploaded to a command or shown in an ephemeral reply; its link has another path.
    """

    id: int
    channel_id: int
    file: File
    inside: bool = False
    ephemeral: bool = False


@dataclass(frozen=True, slots=True)
class Hosted:
    """A picture on a web site, as an embed shows it. `file` is what Discord's proxy loads from there."""

    url: str
    file: File


@dataclass(frozen=True, slots=True)
class Embed:
    """A link preview or a bot's rich embed. A `str` picture names a file of the message."""

    title: str = ""
    description: str = ""
    url: str = ""
    kind: str = "rich"  # rich | image | article | link | video | gifv
    image: Hosted | str | None = None
    thumbnail: Hosted | str | None = None
    video: Hosted | None = None


@dataclass(frozen=True, slots=True)
class Sticker:
    """format: 1 PNG, 2 APNG, 3 Lottie, 4 GIF."""

    id: int
    name: str
    format: int
    file: File


@dataclass(slots=True)
class Message:
    """A message. Change it through its methods, so that the gateway learns of the change.

    `components` are stored as they were sent; wire/ converts them to the shape of Discord's answers. `snapshot` is the
    message that was forwarded. `mentions` says who is notified: lists of ids under "users" and "roles", a bool under
    "everyone".
    """

    id: int
    channel: Channel
    author: User
    content: str = ""
    attachments: list[Attachment] = field(default_factory=list)
    embeds: list[Embed | dict[str, Any]] = field(default_factory=list)
    components: list[dict[str, Any]] = field(default_factory=list)
    stickers: tuple[Sticker, ...] = ()
    kind: MessageKind = MessageKind.DEFAULT
    flags: MessageFlag = MessageFlag.NONE
    edited_ms: int | None = None
    reply_to: Message | None = None
    snapshot: Message | None = None
    pinned_ms: int | None = None
    nonce: str | int | None = None
    mentions: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] | None = None  # interaction_metadata of a command's answer

    @property
    def jump_url(self) -> str:
        """The link a member clicks."""
        return f"https://discord.com/channels/{self.channel.guild.id}/{self.channel.id}/{self.id}"

    @property
    def pinned(self) -> bool:
        return self.pinned_ms is not None

    @property
    def ephemeral(self) -> bool:
        return bool(self.flags & MessageFlag.EPHEMERAL)

    def edit(self, content: str | None = None, *, files: Sequence[File] | None = None) -> None:
        """Change text and/or replace the files, as its author would."""
        world = self.channel.guild.world
        if content is not None:
            self.content, self.mentions = content, mentions.find(content)
        if files is not None:
            world.forget_attachments(self)
            self.attachments = world.attach(self.channel.id, files)
        self.edited_ms = max(world.clock.now_ms(), (self.edited_ms or 0) + 1)
        self.channel.touched()
        world.tell(events.MessageEdited(self))

    def pin(self, pinned: bool = True) -> None:
        """Pin the message, or unpin it."""
        self.pinned_ms = self.channel.guild.world.clock.now_ms() if pinned else None
        self.channel.touched()
        self.channel.guild.world.tell(events.MessageEdited(self))
        self.channel.guild.world.tell(events.PinsChanged(self.channel))

    def delete(self) -> None:
        """Delete the message. The links of its files stop working."""
        self.channel.remove([self.id])
