"""Channels and threads, with the messages they hold."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from sandbox import mentions, permissions, snowflakes
from sandbox.permissions import Overwrite, OverwriteKind, Permission
from sandbox.world import events
from sandbox.world.messages import Embed, Message, MessageFlag, MessageKind, Sticker

if TYPE_CHECKING:
    from sandbox.world.files import File
    from sandbox.world.guilds import Guild, Member, Role, User


class ChannelKind(IntEnum):
    """Discord's channel types."""

    TEXT = 0
    VOICE = 2
    CATEGORY = 4
    ANNOUNCEMENT = 5
    ANNOUNCEMENT_THREAD = 10
    PUBLIC_THREAD = 11
    PRIVATE_THREAD = 12
    STAGE = 13
    FORUM = 15
    MEDIA = 16


THREAD_KINDS: Final = (ChannelKind.ANNOUNCEMENT_THREAD, ChannelKind.PUBLIC_THREAD, ChannelKind.PRIVATE_THREAD)
_SPOKEN: Final = (ChannelKind.VOICE, ChannelKind.STAGE)
_SILENT: Final = (ChannelKind.CATEGORY, ChannelKind.FORUM, ChannelKind.MEDIA)


class Channel:
    """A channel of a guild. `Guild.channel` makes one."""

    def __init__(
        self, guild: Guild, channel_id: int, kind: ChannelKind, name: str, *,
        parent: Channel | None, age_restricted: bool, overwrites: Iterable[Overwrite], topic: str,
    ) -> None:  # fmt: skip
        self.guild = guild
        self.id = channel_id
        self.kind = kind
        self.name = name
        self.parent = parent
        self.age_restricted = age_restricted
        self.topic = topic
        self.position = 0
        self.overwrites: dict[tuple[OverwriteKind, int], Overwrite] = {(o.kind, o.id): o for o in overwrites}
        self.version = 0
        """Increases with every change of the channel's messages."""
        self._ids: list[int] = []
        self._messages: dict[int, Message] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.kind.name} {self.name!r} {self.id}>"

    # Who may do what

    def allows(self, member: Member) -> Permission:
        """What `member` may do here now."""
        return permissions.in_channel(
            guild_id=self.guild.id,
            member_id=member.id,
            owner=self.guild.owner.id == member.id,
            role_permissions=member.role_permissions(),
            overwrites=self.overwrites.values(),
            timed_out=member.timed_out,
        )

    def viewable_by(self, member: Member) -> bool:
        """Whether Discord shows the channel to `member`. A category is shown if one of its channels is shown."""
        if self.allows(member) & Permission.VIEW_CHANNEL:
            return True
        children = (child for child in self.guild.channels.values() if child.parent is self)
        return self.kind is ChannelKind.CATEGORY and any(child.viewable_by(member) for child in children)

    def seen_by(self, member: Member) -> bool:
        """Whether `member` may enter it: `viewable_by`, and CONNECT for voice and stage channels."""
        if self.kind in _SPOKEN and not self.allows(member) & Permission.CONNECT:
            return False
        return self.viewable_by(member)

    def read_by(self, member: Member) -> bool:
        """Whether `member` may view it and read what was written before."""
        return self.seen_by(member) and bool(self.allows(member) & Permission.READ_MESSAGE_HISTORY)

    @property
    def adult(self) -> bool:
        """Whether it is age-restricted; a thread is when its parent is."""
        return self.age_restricted

    # Changes

    def update(
        self, *, name: str | None = None, age_restricted: bool | None = None, topic: str | None = None,
        parent: Channel | None = None,
    ) -> None:  # fmt: skip
        """Change what is given (None: leave it)."""
        self.name = self.name if name is None else name
        self.age_restricted = self.age_restricted if age_restricted is None else age_restricted
        self.topic = self.topic if topic is None else topic
        self.parent = self.parent if parent is None else parent
        self.guild.world.tell(events.ChannelUpdated(self))

    def allow(
        self, who: Role | Member, allow: Permission = Permission.NONE, deny: Permission = Permission.NONE
    ) -> None:
        """Set the overwrite for a role or a member; allowing and denying nothing removes it."""
        overwrite = who.overwrite(allow=allow, deny=deny)
        key = (overwrite.kind, overwrite.id)
        if allow or deny:
            self.overwrites[key] = overwrite
        else:
            self.overwrites.pop(key, None)
        self.guild.world.tell(events.ChannelUpdated(self))

    def delete(self) -> None:
        """Remove the channel with its threads and messages."""
        for thread in list(self.threads()):
            thread.delete()
        self._forget_all()
        self.guild.channels.pop(self.id, None)
        self.guild.world.tell(events.ChannelDeleted(self))

    def _forget_all(self) -> None:
        world = self.guild.world
        for message in self._messages.values():
            world.forget_attachments(message)
        self._ids.clear()
        self._messages.clear()
        self.touched()

    # Threads

    def threads(self) -> Iterator[Thread]:
        """Its threads, archived ones too."""
        return (thread for thread in self.guild.threads.values() if thread.parent is self)

    def thread(
        self, name: str, owner: User, *, private: bool = False, archived: bool = False, members: Iterable[User] = (),
        at_ms: int | None = None, archived_ms: int | None = None, from_message: Message | None = None,
    ) -> Thread:  # fmt: skip
        """Start a thread here (in a forum: a post).

        The owner is its member; `from_message` gives it that message's id.
        """
        kind = ChannelKind.PRIVATE_THREAD if private else ChannelKind.PUBLIC_THREAD
        if self.kind is ChannelKind.ANNOUNCEMENT:
            kind = ChannelKind.ANNOUNCEMENT_THREAD
        world = self.guild.world
        made_ms = world.clock.now_ms() if at_ms is None else at_ms
        thread = Thread(
            self, world.ids.make(made_ms) if from_message is None else from_message.id, kind, name, owner,
            made_ms=made_ms, archived=archived, archived_ms=made_ms if archived_ms is None else archived_ms,
        )  # fmt: skip
        thread.member_ids.update({owner.id: made_ms} | {user.id: made_ms for user in members})
        self.guild.threads[thread.id] = thread
        world.tell(events.ChannelCreated(thread))
        return thread

    # Messages

    def __len__(self) -> int:
        return len(self._ids)

    def __bool__(self) -> bool:
        return True

    def touched(self) -> None:
        """Report that the messages changed (caches compare `version`)."""
        self.version += 1

    @property
    def last_message_id(self) -> int | None:
        return self._ids[-1] if self._ids else None

    def message(self, message_id: int) -> Message | None:
        return self._messages.get(message_id)

    def messages(self) -> Iterator[Message]:
        """All of them, oldest first."""
        return (self._messages[i] for i in self._ids)

    def page(
        self, limit: int, *, before: int | None = None, after: int | None = None, around: int | None = None
    ) -> list[Message]:
        """Up to `limit` messages as Discord's history endpoint returns them: newest first.
        At most one of the three ids may be given.
        """
        ids = self._ids
        if before is not None:
            end = bisect_left(ids, before)
            chosen = ids[max(0, end - limit) : end]
        elif after is not None:
            start = bisect_right(ids, after)
            chosen = ids[start : start + limit]
        elif around is not None:
            middle = bisect_left(ids, around)
            start = max(0, middle - limit // 2)
            chosen = ids[start : start + limit]
        else:
            chosen = ids[-limit:]
        return [self._messages[i] for i in reversed(chosen)]

    def add(self, message: Message, *, quiet: bool = False) -> Message:
        """Add a finished message at its place. `quiet`: no listener is told."""
        if self._ids and message.id < self._ids[-1]:
            self._ids.insert(bisect_left(self._ids, message.id), message.id)
        else:
            self._ids.append(message.id)
        self._messages[message.id] = message
        self.touched()
        if not quiet:
            self.guild.world.tell(events.MessageCreated(message))
        return message

    def post(
        self, author: User, content: str = "", *, files: Sequence[File] = (), embeds: Sequence[Embed] = (),
        stickers: Sequence[Sticker] = (), components: Sequence[dict[str, Any]] = (), reply_to: Message | None = None,
        forward: Message | None = None, at_ms: int | None = None,
    ) -> Message:  # fmt: skip
        """A member (or bot) posts here. `at_ms` sets its time; messages may be posted in any order of time.

        A file that an embed or component names (`attachment://name`) is shown there and left out of the attachments.
        Raises ValueError for a channel that holds no messages.
        """
        if self.kind in _SILENT:
            raise ValueError(f"a {self.kind.name.lower()} channel holds no messages: {self.name!r}")
        world = self.guild.world
        message_id = self._first_id() or world.ids.make(at_ms)
        flags = MessageFlag.HAS_SNAPSHOT if forward else MessageFlag.NONE
        flags |= MessageFlag.COMPONENTS_V2 if components else MessageFlag.NONE
        attachments = world.attach(self.id, files) if files else []
        shown = str([*embeds, *components])
        for attachment in attachments:
            attachment.inside = bool(embeds or components) and attachment.file.name in shown
        return self.add(
            Message(
                id=message_id, channel=self, author=author, content=content, attachments=attachments,
                embeds=list(embeds), components=list(components), stickers=tuple(stickers), flags=flags,
                kind=MessageKind.REPLY if reply_to else MessageKind.DEFAULT, reply_to=reply_to, snapshot=forward,
                mentions=mentions.find(content),
            )
        )  # fmt: skip

    def _first_id(self) -> int | None:
        """The id that the next message must have, if there is one."""
        return None

    def remove(self, message_ids: Iterable[int], *, bulk: bool = False) -> list[int]:
        """Delete messages; returns those that were there."""
        removed = []
        for message_id in message_ids:
            message = self._messages.pop(message_id, None)
            if message is not None:
                del self._ids[bisect_left(self._ids, message_id)]
                self.guild.world.forget_attachments(message)
                removed.append(message_id)
        if removed:
            self.touched()
            self.guild.world.tell(events.MessagesDeleted(self, tuple(removed), bulk))
        return removed


class Thread(Channel):
    """A thread or forum post. `Channel.thread` makes one."""

    parent: Channel

    def __init__(
        self, parent: Channel, thread_id: int, kind: ChannelKind, name: str, owner: User, *,
        made_ms: int, archived: bool, archived_ms: int,
    ) -> None:  # fmt: skip
        super().__init__(
            parent.guild, thread_id, kind, name, parent=parent, age_restricted=False, overwrites=(), topic=""
        )
        self.owner = owner
        self.made_ms = made_ms
        self.archived = archived
        self.archived_ms = archived_ms
        self.locked = False
        self.member_ids: dict[int, int] = {}
        """User id → when they joined the thread, in Unix milliseconds."""
        self._begun = False

    def _first_id(self) -> int | None:
        """A forum post's first message has the post's id, and so its time."""
        first = not self._begun and self.parent.kind in (ChannelKind.FORUM, ChannelKind.MEDIA)
        self._begun = True
        return self.id if first else None

    def allows(self, member: Member) -> Permission:
        """The parent's permissions; a private thread is nothing to those outside it who may not manage threads."""
        found = self.parent.allows(member)
        inside = member.id in self.member_ids or bool(found & Permission.MANAGE_THREADS)
        if self.kind is ChannelKind.PRIVATE_THREAD and not inside:
            return Permission.NONE
        return found

    @property
    def adult(self) -> bool:
        return self.parent.age_restricted

    def archive(self, archived: bool = True) -> None:
        """Archive it, or bring it back."""
        self.archived, self.archived_ms = archived, self.guild.world.clock.now_ms()
        self.guild.world.tell(events.ChannelUpdated(self))

    def add_member(self, user: User) -> None:
        self.member_ids[user.id] = self.guild.world.clock.now_ms()
        self.guild.world.tell(events.ThreadMembersChanged(self, (user.id,), ()))

    def remove_member(self, user: User) -> None:
        if self.member_ids.pop(user.id, None) is not None:
            self.guild.world.tell(events.ThreadMembersChanged(self, (), (user.id,)))

    def delete(self) -> None:
        self._forget_all()
        self.guild.threads.pop(self.id, None)
        self.guild.world.tell(events.ChannelDeleted(self))

    @property
    def created_ms(self) -> int:
        return snowflakes.ms(self.id)
