"""Guilds, their roles and members, and the users behind them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox import permissions
from sandbox.permissions import Overwrite, OverwriteKind, Permission
from sandbox.world import events
from sandbox.world.channels import Channel, ChannelKind, Thread

if TYPE_CHECKING:
    from sandbox.world.world import World


@dataclass(frozen=True, slots=True)
class User:
    """A user of Discord. `name` is the lower-case user name, `display_name` the name that people see."""

    id: int
    name: str
    display_name: str
    bot: bool = False


class Role:
    """A role. @everyone has the guild's id."""

    def __init__(self, guild: Guild, role_id: int, name: str, allowed: Permission, *, managed: bool = False) -> None:
        self.guild = guild
        self.id = role_id
        self.name = name
        self.permissions = allowed
        self.managed = managed
        self.position = 0
        self.colour = 0

    def overwrite(self, *, allow: Permission = Permission.NONE, deny: Permission = Permission.NONE) -> Overwrite:
        """An overwrite for this role."""
        return Overwrite(self.id, OverwriteKind.ROLE, allow, deny)

    def update(self, *, name: str | None = None, allowed: Permission | None = None) -> None:
        """Change what is given (None: leave it)."""
        self.name = self.name if name is None else name
        self.permissions = self.permissions if allowed is None else allowed
        self.guild.world.tell(events.RoleUpdated(self))

    def delete(self) -> None:
        """Remove it from the guild and its members."""
        del self.guild.roles[self.id]
        for member in self.guild.members.values():
            if self in member.roles:
                member.roles.remove(self)
        self.guild.world.tell(events.RoleDeleted(self))


class Member:
    """A user in a guild."""

    def __init__(self, guild: Guild, user: User, roles: Iterable[Role], joined_ms: int, nick: str | None) -> None:
        self.guild = guild
        self.user = user
        self.roles = list(roles)
        self.joined_ms = joined_ms
        self.nick = nick
        self.timed_out_until_ms: int | None = None

    @property
    def id(self) -> int:
        return self.user.id

    @property
    def display_name(self) -> str:
        """The name people see in this guild."""
        return self.nick or self.user.display_name

    @property
    def timed_out(self) -> bool:
        until = self.timed_out_until_ms
        return until is not None and until > self.guild.world.clock.now_ms()

    def role_permissions(self) -> dict[int, Permission]:
        """Every role by id, @everyone under the guild's."""
        return {self.guild.id: self.guild.everyone.permissions} | {role.id: role.permissions for role in self.roles}

    def permissions(self) -> Permission:
        """What the member may do before the overwrites of any channel."""
        return permissions.in_guild(
            owner=self.guild.owner.id == self.id,
            everyone=self.guild.everyone.permissions,
            roles=[role.permissions for role in self.roles],
            timed_out=self.timed_out,
        )

    def overwrite(self, *, allow: Permission = Permission.NONE, deny: Permission = Permission.NONE) -> Overwrite:
        """An overwrite for this member alone."""
        return Overwrite(self.id, OverwriteKind.MEMBER, allow, deny)

    def update(
        self, *, roles: Iterable[Role] | None = None, nick: str | None = None, timed_out_until_ms: int | None = None
    ) -> None:
        """Change what is given (None: leave it; `timed_out_until_ms=0` ends a time-out)."""
        self.roles = self.roles if roles is None else list(roles)
        self.nick = self.nick if nick is None else nick
        self.timed_out_until_ms = self.timed_out_until_ms if timed_out_until_ms is None else timed_out_until_ms
        self.guild.world.tell(events.MemberUpdated(self))

    def leave(self) -> None:
        """Leave the guild and its threads."""
        del self.guild.members[self.id]
        for thread in self.guild.threads.values():
            thread.member_ids.pop(self.id, None)
        self.guild.world.tell(events.MemberLeft(self))


class Guild:
    """A server. `World.guild` makes one; the bot is a member with a role of its own unless told otherwise."""

    def __init__(self, world: World, guild_id: int, name: str, owner: User, everyone: Permission) -> None:
        self.world = world
        self.id = guild_id
        self.name = name
        self.owner = owner
        self.channels: dict[int, Channel] = {}
        self.threads: dict[int, Thread] = {}
        self.members: dict[int, Member] = {}
        self.everyone = Role(self, guild_id, "@everyone", everyone)
        self.roles: dict[int, Role] = {guild_id: self.everyone}
        self.locale = "en-US"
        # Channels that the server's settings name; None: none.
        self.system_channel: Channel | None = None
        self.public_updates_channel: Channel | None = None

    # Members and roles

    @property
    def has_bot(self) -> bool:
        return self.world.bot.id in self.members

    @property
    def me(self) -> Member:
        """The bot as a member. Raises KeyError once it was removed."""
        return self.members[self.world.bot.id]

    def join(self, user: User, *roles: Role, joined_ms: int | None = None, nick: str | None = None) -> Member:
        """Make `user` a member."""
        joined = self.world.clock.now_ms() if joined_ms is None else joined_ms
        member = self.members[user.id] = Member(self, user, roles, joined, nick)
        self.world.tell(events.MemberJoined(member))
        return member

    def members_named(self, start: str) -> list[Member]:
        """The members whose user name, display name or nickname begins with `start`, in upper or lower case."""
        start = start.lower()
        return [
            member
            for member in self.members.values()
            if any(name.lower().startswith(start) for name in (member.user.name, member.display_name))
        ]

    def role(self, name: str, allowed: Permission = Permission.NONE, *, managed: bool = False) -> Role:
        """A new role, above the others."""
        role = Role(self, self.world.ids.make(), name, allowed, managed=managed)
        role.position = len(self.roles)
        self.roles[role.id] = role
        self.world.tell(events.RoleCreated(role))
        return role

    def add_bot(self, allowed: Permission = permissions.BOT) -> Member:
        """Invite the bot with these permissions."""
        role = self.role(self.world.bot.display_name, allowed, managed=True)
        member = self.join(self.world.bot, role)
        self.world.tell(events.BotAdded(self))
        return member

    def remove_bot(self) -> None:
        """Kick the bot."""
        del self.members[self.world.bot.id]
        self.world.tell(events.BotRemoved(self))

    def rename(self, name: str) -> None:
        self.name = name
        self.world.tell(events.GuildUpdated(self))

    # Channels

    def channel(
        self, name: str, kind: ChannelKind = ChannelKind.TEXT, *, category: Channel | None = None,
        age_restricted: bool = False, overwrites: Iterable[Overwrite] | None = None, topic: str = "",
        at_ms: int | None = None,
    ) -> Channel:  # fmt: skip
        """A new channel. Without overwrites of its own it copies its category's overwrites, as Discord's apps do."""
        own = (category.overwrites.values() if category else ()) if overwrites is None else overwrites
        channel = Channel(
            self, self.world.ids.make(at_ms), kind, name,
            parent=category, age_restricted=age_restricted, overwrites=own, topic=topic,
        )  # fmt: skip
        channel.position = len(self.channels)
        self.channels[channel.id] = channel
        self.world.tell(events.ChannelCreated(channel))
        return channel

    def find(self, channel_id: int) -> Channel | None:
        """A channel or thread by its id."""
        return self.channels.get(channel_id) or self.threads.get(channel_id)

    def named(self, name: str) -> Channel:
        """A channel or thread by its name. Raises LookupError."""
        for channel in (*self.channels.values(), *self.threads.values()):
            if channel.name == name:
                return channel
        raise LookupError(f"no channel or thread is called {name!r} in {self.name!r}")
