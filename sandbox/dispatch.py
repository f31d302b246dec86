"""Turns the world's events into gateway events: decides who receives each event, and how much of it."""

from functools import singledispatchmethod

from sandbox.gateway import Gateway, viewable
from sandbox.gateway_codes import Intent
from sandbox.gateway_session import Session
from sandbox.links import Links
from sandbox.snowflakes import iso
from sandbox.wire import Json, guilds, messages
from sandbox.world import Channel, ChannelKind, Guild, Member, Message, Thread, World, events
from sandbox.world.events import Event


class Dispatch:
    """Listens to the world and sends its events to the gateway's sessions."""

    def __init__(self, world: World, gateway: Gateway, links: Links) -> None:
        self.world = world
        self.gateway = gateway
        self.links = links

    def heard(self, event: Event) -> None:
        """The world's listener."""
        self._tell(event)

    def _push(self, guild: Guild, name: str, data: Json, need: Intent = Intent.GUILDS) -> None:
        if guild.has_bot:
            for session in self.gateway.sessions_of(guild):
                if session.intents & need:
                    session.push(name, data)

    @singledispatchmethod
    def _tell(self, event: Event) -> None:
        raise NotImplementedError(type(event))

    # Messages

    def _message(self, message: Message, name: str) -> None:
        channel = message.channel
        if not channel.guild.has_bot or not channel.seen_by(channel.guild.me):
            return
        for session in self.gateway.sessions_of(channel.guild):
            if session.intents & Intent.GUILD_MESSAGES:
                granted = bool(session.intents & Intent.MESSAGE_CONTENT)
                readable = messages.readable(message, self.world.application, granted=granted)
                session.push(name, messages.event(message, self.links, readable=readable))

    @_tell.register
    def _(self, event: events.MessageCreated) -> None:
        self._message(event.message, "MESSAGE_CREATE")

    @_tell.register
    def _(self, event: events.MessageEdited) -> None:
        self._message(event.message, "MESSAGE_UPDATE")

    @_tell.register
    def _(self, event: events.MessagesDeleted) -> None:
        guild = event.channel.guild
        if not guild.has_bot or not event.channel.seen_by(guild.me):
            return
        where = {"channel_id": str(event.channel.id), "guild_id": str(guild.id)}
        if event.bulk:
            ids = {"ids": [str(message_id) for message_id in event.ids]}
            self._push(guild, "MESSAGE_DELETE_BULK", ids | where, Intent.GUILD_MESSAGES)
        else:
            for message_id in event.ids:
                self._push(guild, "MESSAGE_DELETE", {"id": str(message_id)} | where, Intent.GUILD_MESSAGES)

    @_tell.register
    def _(self, event: events.PinsChanged) -> None:
        channel = event.channel
        if channel.guild.has_bot and channel.seen_by(channel.guild.me):
            newest = max((m.pinned_ms for m in channel.messages() if m.pinned_ms is not None), default=None)
            data = {"guild_id": str(channel.guild.id), "channel_id": str(channel.id)}
            self._push(
                channel.guild, "CHANNEL_PINS_UPDATE", data | {"last_pin_timestamp": iso(newest) if newest else None}
            )

    # Channels and threads

    @_tell.register
    def _(self, event: events.ChannelCreated) -> None:
        channel = event.channel
        if not channel.guild.has_bot:
            return
        if isinstance(channel, Thread):
            if channel.seen_by(channel.guild.me):
                data = guilds.channel(channel, channel.guild.me) | {"newly_created": True}
                self._push(channel.guild, "THREAD_CREATE", data)
        else:
            self._push(channel.guild, "CHANNEL_CREATE", guilds.told_channel(channel))
            if channel.viewable_by(channel.guild.me):
                for session in self.gateway.sessions_of(channel.guild):
                    session.viewable.setdefault(channel.guild.id, set()).add(channel.id)
            self._tell_what_opened(channel.guild, told=channel)

    @_tell.register
    def _(self, event: events.ChannelUpdated) -> None:
        channel, guild = event.channel, event.channel.guild
        if not guild.has_bot:
            return
        if isinstance(channel, Thread):
            if channel.seen_by(guild.me):
                self._push(guild, "THREAD_UPDATE", guilds.channel(channel, guild.me))
            return
        self._push(guild, "CHANNEL_UPDATE", guilds.told_channel(channel))
        self._tell_what_opened(guild, told=channel)

    @_tell.register
    def _(self, event: events.ChannelDeleted) -> None:
        channel = event.channel
        if isinstance(channel, Thread):
            if channel.guild.has_bot and channel.seen_by(channel.guild.me):
                about = {
                    "id": str(channel.id), "guild_id": str(channel.guild.id), "parent_id": str(channel.parent.id),
                    "type": int(channel.kind),
                }  # fmt: skip
                self._push(channel.guild, "THREAD_DELETE", about)
        elif channel.guild.has_bot:
            self._push(channel.guild, "CHANNEL_DELETE", guilds.told_channel(channel))
            self._tell_what_opened(channel.guild)

    @_tell.register
    def _(self, event: events.ThreadMembersChanged) -> None:
        thread, guild = event.thread, event.thread.guild
        if not guild.has_bot:
            return
        me = guild.me.id
        if me in event.added and thread.seen_by(guild.me):
            self._push(guild, "THREAD_CREATE", guilds.channel(thread, guild.me))
        # Without GUILD_MEMBERS the bot gets such events only about itself.
        for session in self.gateway.sessions_of(guild):
            if session.intents & Intent.GUILD_MEMBERS or me in (*event.added, *event.removed):
                self._thread_members(session, event)

    def _thread_members(self, session: Session, event: events.ThreadMembersChanged) -> None:
        thread = event.thread
        data: Json = {"id": str(thread.id), "guild_id": str(thread.guild.id), "member_count": len(thread.member_ids)}
        if event.added:
            data["added_members"] = [
                guilds.thread_member(thread, i) | {"member": guilds.member(thread.guild.members[i]), "presence": None}
                for i in event.added
                if i in thread.guild.members
            ]
        if event.removed:
            data["removed_member_ids"] = [str(i) for i in event.removed]
        session.push("THREAD_MEMBERS_UPDATE", data)

    def _tell_what_opened(self, guild: Guild, told: Channel | None = None) -> None:
        """Sends CHANNEL_UPDATE for every channel whose visibility to the bot has changed.

        A channel that the bot may view now is sent complete, one that it may no longer view is sent reduced. The
        threads of channels that opened follow. `told`: the channel whose event was sent already.
        """
        for session in self.gateway.sessions_of(guild):
            now = viewable(guild)
            before = session.viewable.get(guild.id, now)
            session.viewable[guild.id] = now
            if not session.intents & Intent.GUILDS:
                continue
            changed = [channel for channel in guild.channels.values() if channel.id in before ^ now]
            for channel in changed:
                if channel is not told:
                    session.push("CHANNEL_UPDATE", guilds.told_channel(channel))
            for channel in changed:
                if channel.id in now and channel.kind is not ChannelKind.CATEGORY:
                    session.push("THREAD_LIST_SYNC", self._threads_of(channel))

    def _threads_of(self, channel: Channel) -> Json:
        me = channel.guild.me
        threads = [t for t in channel.threads() if not t.archived and t.seen_by(me)]
        return {
            "guild_id": str(channel.guild.id),
            "channel_ids": [str(channel.id)],
            "threads": [guilds.channel(t, me) for t in threads],
            "members": [guilds.thread_member(t, me.id) for t in threads if me.id in t.member_ids],
        }

    # Members, roles, guilds

    def _member(self, member: Member, name: str, data: Json) -> None:
        # A bot without GUILD_MEMBERS still gets the events about itself.
        need = Intent.GUILDS if member.id == self.world.bot.id else Intent.GUILD_MEMBERS
        self._push(member.guild, name, data | {"guild_id": str(member.guild.id)}, need)

    @_tell.register
    def _(self, event: events.MemberJoined) -> None:
        if event.member.id != self.world.bot.id:
            self._member(event.member, "GUILD_MEMBER_ADD", guilds.member(event.member))

    @_tell.register
    def _(self, event: events.MemberUpdated) -> None:
        self._member(event.member, "GUILD_MEMBER_UPDATE", guilds.member(event.member))
        if event.member.id == self.world.bot.id:
            self._tell_what_opened(event.member.guild)

    @_tell.register
    def _(self, event: events.MemberLeft) -> None:
        self._member(event.member, "GUILD_MEMBER_REMOVE", {"user": guilds.user(event.member.user)})

    @_tell.register
    def _(self, event: events.RoleCreated) -> None:
        guild = event.role.guild
        self._push(guild, "GUILD_ROLE_CREATE", {"guild_id": str(guild.id), "role": guilds.role(event.role)})

    @_tell.register
    def _(self, event: events.RoleUpdated) -> None:
        guild = event.role.guild
        self._push(guild, "GUILD_ROLE_UPDATE", {"guild_id": str(guild.id), "role": guilds.role(event.role)})
        self._roles_changed(guild)

    @_tell.register
    def _(self, event: events.RoleDeleted) -> None:
        guild = event.role.guild
        self._push(guild, "GUILD_ROLE_DELETE", {"guild_id": str(guild.id), "role_id": str(event.role.id)})
        self._roles_changed(guild)

    def _roles_changed(self, guild: Guild) -> None:
        if guild.has_bot:
            self._tell_what_opened(guild)

    @_tell.register
    def _(self, event: events.GuildUpdated) -> None:
        self._push(event.guild, "GUILD_UPDATE", guilds.guild(event.guild))

    @_tell.register
    def _(self, event: events.BotAdded) -> None:
        for session in self.gateway.sessions_of(event.guild):
            self.gateway.introduce(session, event.guild)

    @_tell.register
    def _(self, event: events.BotRemoved) -> None:
        for session in self.gateway.sessions_of(event.guild):
            session.viewable.pop(event.guild.id, None)
            session.push("GUILD_DELETE", {"id": str(event.guild.id)})
