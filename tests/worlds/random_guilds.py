"""Random guilds in three forms: Discord's payloads for discord.py, records for storage, and an oracle of who may read
what.

The oracle is written from Discord's documentation through sandbox/permissions.py. It shares no line with discord.py or
bot/permissions/visible_channels.py.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import discord

from indexer.records.ids import ChannelId, GuildId
from indexer.records.messages import Channel, ChannelKind
from sandbox.permissions import ALL, Overwrite, OverwriteKind, Permission, in_channel

GUILD = 100_000_000_000_000_000
BOT = 100_000_000_000_000_009
_VOICE = (ChannelKind.VOICE, ChannelKind.STAGE)
_THREADED = (ChannelKind.TEXT, ChannelKind.ANNOUNCEMENT, ChannelKind.FORUM, ChannelKind.MEDIA)
_TYPES = {
    ChannelKind.TEXT: 0,
    ChannelKind.VOICE: 2,
    ChannelKind.ANNOUNCEMENT: 5,
    ChannelKind.ANNOUNCEMENT_THREAD: 10,
    ChannelKind.PUBLIC_THREAD: 11,
    ChannelKind.PRIVATE_THREAD: 12,
    ChannelKind.STAGE: 13,
    ChannelKind.FORUM: 15,
    ChannelKind.MEDIA: 16,
}
_BITS = (
    Permission.VIEW_CHANNEL,
    Permission.READ_MESSAGE_HISTORY,
    Permission.CONNECT,
    Permission.MANAGE_THREADS,
    Permission.SEND_MESSAGES,
    Permission.MANAGE_CHANNELS,
)


@dataclass
class Role:
    id: int
    permissions: Permission


@dataclass
class Member:
    id: int
    roles: list[int]
    timed_out: bool = False
    # A time-out that has ended has no effect, but Discord still sends the time of its end.
    was_timed_out: bool = False


@dataclass
class Room:
    """A channel or thread. `cached` is False for a thread that only storage knows (archived)."""

    id: int
    kind: ChannelKind
    parent: int | None = None
    overwrites: list[Overwrite] = field(default_factory=list)
    age_restricted: bool = False
    cached: bool = True
    joined: set[int] = field(default_factory=set)


@dataclass
class World:
    owner: int
    everyone: Permission
    roles: dict[int, Role]
    members: dict[int, Member]
    rooms: dict[int, Room]

    def permissions(self, member_id: int, room: Room) -> Permission:
        top = self.rooms[room.parent] if room.parent is not None else room
        member = self.members[member_id]
        held = {GUILD: self.everyone} | {role: self.roles[role].permissions for role in member.roles}
        return in_channel(
            guild_id=GUILD,
            member_id=member_id,
            owner=member_id == self.owner,
            role_permissions=held,
            overwrites=top.overwrites,
            timed_out=member.timed_out,
        )

    def reads(self, member_id: int, room: Room) -> bool:
        """Whether the member can read the room's history in Discord itself, from any place."""
        held = self.permissions(member_id, room)
        needed = Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY
        if room.kind in _VOICE:
            needed |= Permission.CONNECT
        if held & needed != needed:
            return False
        if room.kind is ChannelKind.PRIVATE_THREAD:
            return held == ALL or bool(held & Permission.MANAGE_THREADS) or member_id in room.joined
        return True

    def restricted(self, room: Room) -> bool:
        return (self.rooms[room.parent] if room.parent is not None else room).age_restricted

    def may_find(self, member_id: int, asking: Room) -> set[int]:
        """The rooms whose pictures the member may be shown when asking from that room."""
        return {
            room.id
            for room in self.rooms.values()
            if self.reads(member_id, room)
            and self._bot_views(room)
            and (self.restricted(asking) or not self.restricted(room))
        }

    def _bot_views(self, room: Room) -> bool:
        """Discord tells the bot nothing about who may see a channel that the bot itself cannot view."""
        top = self.rooms[room.parent] if room.parent is not None else room
        return self.reads(BOT, top)

    def everyone_reads(self, asking: Room) -> set[int]:
        """The rooms that every member who reads `asking` reads too, and that may be shown there at all."""
        readers = [member for member in self.members if self.reads(member, asking)]
        return {
            room.id
            for room in self.rooms.values()
            if all(self.reads(member, room) for member in readers)
            and (self.restricted(asking) or not self.restricted(room))
        }

    def stored(self) -> list[Channel]:
        return [
            Channel(
                ChannelId(room.id),
                GuildId(GUILD),
                room.kind,
                f"room-{room.id}",
                None if room.parent is None else ChannelId(room.parent),
                room.age_restricted,
                not room.cached,
            )
            for room in self.rooms.values()
        ]


def _overwrites(rng: random.Random, world_roles: Iterable[int], members: Iterable[int]) -> list[Overwrite]:
    targets = [(GUILD, OverwriteKind.ROLE)]
    targets += [(role, OverwriteKind.ROLE) for role in world_roles]
    targets += [(member, OverwriteKind.MEMBER) for member in members]
    made = []
    for target, kind in rng.sample(targets, rng.randint(0, min(4, len(targets)))):
        allow = deny = Permission.NONE
        for bit in _BITS:
            match rng.choice("...ad"):
                case "a":
                    allow |= bit
                case "d":
                    deny |= bit
        made.append(Overwrite(target, kind, allow, deny))
    rng.shuffle(made)
    return made


def random_world(seed: int) -> World:
    """A small guild whose roles and overwrites contradict each other in every possible way."""
    rng = random.Random(seed)
    ids = iter(range(GUILD + 100, GUILD + 10_000))

    def some_bits(share: float) -> Permission:
        found = Permission.NONE
        for bit in _BITS:
            if rng.random() < share:
                found |= bit
        return found

    roles = {role: Role(role, some_bits(0.35)) for role in (next(ids) for _ in range(rng.randint(0, 5)))}
    if roles and rng.random() < 0.3:
        rng.choice(list(roles.values())).permissions |= Permission.ADMINISTRATOR
    members = {}
    for _ in range(rng.randint(2, 6)):
        member = Member(next(ids), rng.sample(list(roles), rng.randint(0, len(roles))))
        member.timed_out = rng.random() < 0.15
        member.was_timed_out = not member.timed_out and rng.random() < 0.1
        members[member.id] = member
    owner = rng.choice(list(members))
    bot_role = Role(next(ids), Permission.ADMINISTRATOR if rng.random() < 0.8 else some_bits(0.8))
    roles[bot_role.id] = bot_role
    members[BOT] = Member(BOT, [bot_role.id])
    rooms: dict[int, Room] = {}
    for _ in range(rng.randint(1, 6)):
        kind = rng.choice([*_THREADED, *_VOICE, ChannelKind.TEXT])
        room = Room(next(ids), kind, None, _overwrites(rng, roles, members), rng.random() < 0.25)
        rooms[room.id] = room
    for parent in list(rooms.values()):
        for _ in range(rng.randint(0, 3) if parent.kind in _THREADED else 0):
            kind = {
                ChannelKind.TEXT: rng.choice([ChannelKind.PUBLIC_THREAD, ChannelKind.PRIVATE_THREAD]),
                ChannelKind.ANNOUNCEMENT: ChannelKind.ANNOUNCEMENT_THREAD,
            }.get(parent.kind, ChannelKind.PUBLIC_THREAD)
            joined = {member for member in members if rng.random() < 0.4}
            thread = Room(next(ids), kind, parent.id, cached=rng.random() < 0.6, joined=joined)
            rooms[thread.id] = thread
    everyone = some_bits(0.6)
    return World(owner, everyone, roles, members, rooms)


def _channel_payload(room: Room) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "id": str(room.id),
        "type": _TYPES[room.kind],
        "name": f"room-{room.id}",
        "position": 0,
        "nsfw": room.age_restricted,
        "permission_overwrites": [
            {
                "id": str(overwrite.id),
                "type": int(overwrite.kind),
                "allow": str(int(overwrite.allow)),
                "deny": str(int(overwrite.deny)),
            }
            for overwrite in room.overwrites
        ],
        "bitrate": 64_000,
        "user_limit": 0,
        "available_tags": [],
    }
    return payload


def thread_payload(room: Room) -> dict[str, Any]:
    return {
        "id": str(room.id),
        "guild_id": str(GUILD),
        "parent_id": str(room.parent),
        "owner_id": str(GUILD + 1),
        "name": f"room-{room.id}",
        "type": _TYPES[room.kind],
        "message_count": 1,
        "member_count": 1,
        "rate_limit_per_user": 0,
        "thread_metadata": {
            "archived": not room.cached,
            "auto_archive_duration": 60,
            "archive_timestamp": "2024-01-01T00:00:00+00:00",
            "locked": False,
        },
    }


def member_payload(member: Member) -> dict[str, Any]:
    until: str | None = None
    if member.timed_out:
        until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    elif member.was_timed_out:
        until = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    return {
        "user": {
            "id": str(member.id),
            "username": f"member-{member.id}",
            "discriminator": "0",
            "avatar": None,
            "global_name": None,
        },
        "roles": [str(role) for role in member.roles],
        "joined_at": "2020-01-01T00:00:00+00:00",
        "deaf": False,
        "mute": False,
        "flags": 0,
        "communication_disabled_until": until,
    }


def discord_guild(world: World) -> discord.Guild:
    """The world as discord.py's cache contains it after GUILD_CREATE, for a bot that caches no members."""
    client = discord.Client(
        intents=discord.Intents(guilds=True), member_cache_flags=discord.MemberCacheFlags.none(), max_messages=None
    )
    state: Any = client._connection
    state.user = discord.ClientUser(
        state=state,
        data={"id": str(BOT), "username": "bot", "discriminator": "0", "avatar": None, "bot": True},  # type: ignore[typeddict-item]  # what discord.py reads, no more
    )
    everyone = Role(GUILD, world.everyone)
    payload: Any = {
        "id": str(GUILD),
        "name": "world",
        "owner_id": str(world.owner),
        "roles": [
            {
                "id": str(role.id),
                "name": f"role-{role.id}",
                "permissions": str(int(role.permissions)),
                "color": 0,
                "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
                "hoist": False,
                "position": 0 if role is everyone else 1,
                "managed": False,
                "mentionable": False,
            }
            for role in (everyone, *world.roles.values())
        ],
        "channels": [_channel_payload(room) for room in world.rooms.values() if room.parent is None],
        "threads": [thread_payload(room) for room in world.rooms.values() if room.parent is not None and room.cached],
        "members": [member_payload(world.members[BOT])],
        "emojis": [],
        "stickers": [],
        "features": [],
        "premium_tier": 0,
        "preferred_locale": "en-US",
        "nsfw_level": 0,
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "system_channel_flags": 0,
    }
    return discord.Guild(data=payload, state=state)


def discord_member(guild: discord.Guild, member: Member) -> discord.Member:
    """The member as an interaction contains them."""
    return discord.Member(data=member_payload(member), guild=guild, state=guild._state)  # type: ignore[arg-type]  # what discord.py reads, no more
