"""Who may do what in which place, written from Discord's documentation ("Permissions"), not from discord.py.

The sandbox enforces these rules, and the tests compare the bot's own answer with them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final


class Permission(IntFlag):
    """The permission bits that the sandbox knows."""

    NONE = 0
    KICK_MEMBERS = 1 << 1
    BAN_MEMBERS = 1 << 2
    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    SEND_TTS_MESSAGES = 1 << 12
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    CONNECT = 1 << 20
    SPEAK = 1 << 21
    MANAGE_ROLES = 1 << 28
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    CREATE_PRIVATE_THREADS = 1 << 36
    SEND_MESSAGES_IN_THREADS = 1 << 38
    MODERATE_MEMBERS = 1 << 40


ALL: Final = Permission((1 << 53) - 1)
"""What an owner or administrator has: every bit, known here or not."""

MEMBER: Final = (
    Permission.VIEW_CHANNEL | Permission.SEND_MESSAGES | Permission.READ_MESSAGE_HISTORY | Permission.ATTACH_FILES
    | Permission.EMBED_LINKS | Permission.ADD_REACTIONS | Permission.CONNECT | Permission.SPEAK
    | Permission.USE_APPLICATION_COMMANDS | Permission.CREATE_PUBLIC_THREADS | Permission.SEND_MESSAGES_IN_THREADS
)  # fmt: skip
"""What @everyone has in a new sandbox guild."""

INVITED: Final = (
    Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY | Permission.SEND_MESSAGES
    | Permission.SEND_MESSAGES_IN_THREADS
)  # fmt: skip
"""What the bot's invitation asks for, and what the demo's bot has. A test holds it against the invitation."""

BOT: Final = INVITED | Permission.ATTACH_FILES | Permission.EMBED_LINKS | Permission.MANAGE_THREADS
"""What the bot's own role has unless a guild says otherwise: all that a bot like ours has a use for."""

_TIMED_OUT: Final = Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY
_NEED_SENDING: Final = (
    Permission.MENTION_EVERYONE | Permission.SEND_TTS_MESSAGES | Permission.ATTACH_FILES | Permission.EMBED_LINKS
)


class OverwriteKind(IntEnum):
    """Whom an overwrite is for."""

    ROLE = 0
    MEMBER = 1


@dataclass(frozen=True, slots=True)
class Overwrite:
    """A channel's exception for one role or member (`id`). @everyone's id is the guild's id."""

    id: int
    kind: OverwriteKind
    allow: Permission = Permission.NONE
    deny: Permission = Permission.NONE


def in_guild(*, owner: bool, everyone: Permission, roles: Iterable[Permission], timed_out: bool = False) -> Permission:
    """A member's permissions before the overwrites of any channel.

    `roles` are the permissions of the member's roles, without @everyone.
    """
    if owner:
        return ALL
    base = everyone
    for role in roles:
        base |= role
    if base & Permission.ADMINISTRATOR:
        return ALL
    return base & _TIMED_OUT if timed_out else base


def in_channel(
    *,
    guild_id: int,
    member_id: int,
    owner: bool,
    role_permissions: Mapping[int, Permission],
    overwrites: Iterable[Overwrite],
    timed_out: bool = False,
) -> Permission:
    """A member's permissions in a channel (for a thread: in its parent).

    `role_permissions` contains every role of the member by id, and @everyone under the guild's id. The order is that of
    the documentation: base, @everyone's overwrite, the roles' overwrites (all denials, then all allowances), the
    member's own. Then the rules that Discord implies: without VIEW_CHANNEL nothing, without SEND_MESSAGES no files,
    embeds or mass mentions.
    """
    # A time-out is applied last: overwrites must not return permissions that it removes.
    others = [permissions for role, permissions in role_permissions.items() if role != guild_id]
    found = in_guild(owner=owner, everyone=role_permissions[guild_id], roles=others)
    if found == ALL:
        return ALL
    by_id = {(overwrite.kind, overwrite.id): overwrite for overwrite in overwrites}
    if everyone := by_id.get((OverwriteKind.ROLE, guild_id)):
        found = found & ~everyone.deny | everyone.allow
    allow = deny = Permission.NONE
    for role in role_permissions:
        if role != guild_id and (overwrite := by_id.get((OverwriteKind.ROLE, role))):
            allow |= overwrite.allow
            deny |= overwrite.deny
    found = found & ~deny | allow
    if own := by_id.get((OverwriteKind.MEMBER, member_id)):
        found = found & ~own.deny | own.allow
    if timed_out:
        found &= _TIMED_OUT
    if not found & Permission.VIEW_CHANNEL:
        return Permission.NONE
    if not found & Permission.SEND_MESSAGES:
        found &= ~_NEED_SENDING
    return found
