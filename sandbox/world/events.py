"""The events of the world, sent to its listeners (the gateway)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from sandbox.world.channels import Channel, Thread
    from sandbox.world.guilds import Guild, Member, Role
    from sandbox.world.messages import Message


@dataclass(frozen=True, slots=True)
class MessageCreated:
    message: Message


@dataclass(frozen=True, slots=True)
class MessageEdited:
    message: Message


@dataclass(frozen=True, slots=True)
class MessagesDeleted:
    """`bulk` tells one MESSAGE_DELETE_BULK from a MESSAGE_DELETE for each."""

    channel: Channel
    ids: tuple[int, ...]
    bulk: bool


@dataclass(frozen=True, slots=True)
class PinsChanged:
    channel: Channel


@dataclass(frozen=True, slots=True)
class ChannelCreated:
    channel: Channel


@dataclass(frozen=True, slots=True)
class ChannelUpdated:
    channel: Channel


@dataclass(frozen=True, slots=True)
class ChannelDeleted:
    channel: Channel


@dataclass(frozen=True, slots=True)
class ThreadMembersChanged:
    thread: Thread
    added: tuple[int, ...]
    removed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MemberJoined:
    member: Member


@dataclass(frozen=True, slots=True)
class MemberUpdated:
    member: Member


@dataclass(frozen=True, slots=True)
class MemberLeft:
    member: Member


@dataclass(frozen=True, slots=True)
class RoleCreated:
    role: Role


@dataclass(frozen=True, slots=True)
class RoleUpdated:
    role: Role


@dataclass(frozen=True, slots=True)
class RoleDeleted:
    role: Role


@dataclass(frozen=True, slots=True)
class GuildUpdated:
    guild: Guild


@dataclass(frozen=True, slots=True)
class BotAdded:
    guild: Guild


@dataclass(frozen=True, slots=True)
class BotRemoved:
    guild: Guild


Event: TypeAlias = (
    MessageCreated | MessageEdited | MessagesDeleted | PinsChanged | ChannelCreated | ChannelUpdated | ChannelDeleted
    | ThreadMembersChanged | MemberJoined | MemberUpdated | MemberLeft | RoleCreated | RoleUpdated | RoleDeleted
    | GuildUpdated | BotAdded | BotRemoved
)  # fmt: skip
