"""Interactions from a member's click to the bot's answer, with Discord's deadlines."""

import asyncio
import secrets
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

from sandbox import errors
from sandbox.checks import command_options, commands, components, fields, messages
from sandbox.checks.messages import Body
from sandbox.signal import Signal
from sandbox.snowflakes import Clock
from sandbox.wire import Json
from sandbox.wire.guilds import user
from sandbox.world import Channel, File, Member, Message, MessageFlag, MessageKind, World
from sandbox.world.events import Event, MessageEdited, MessagesDeleted

ACKNOWLEDGE_S: Final = 3.0
"""Seconds until Discord tells the member that the application did not respond."""
TOKEN_S: Final = 15 * 60.0
"""Seconds that an interaction's token lives."""


class Kind(IntEnum):
    """Interaction types."""

    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL = 5


class Answer(IntEnum):
    """Callback types."""

    MESSAGE = 4
    DEFERRED_MESSAGE = 5
    DEFERRED_UPDATE = 6
    UPDATE = 7
    CHOICES = 8
    MODAL = 9


_ALLOWED: Final = {
    Kind.COMMAND: (Answer.MESSAGE, Answer.DEFERRED_MESSAGE, Answer.MODAL),
    Kind.COMPONENT: (*Answer.__members__.values(),),
    Kind.AUTOCOMPLETE: (Answer.CHOICES,),
    Kind.MODAL: (Answer.MESSAGE, Answer.DEFERRED_MESSAGE, Answer.DEFERRED_UPDATE, Answer.UPDATE),
}


@dataclass(slots=True)
class Interaction:
    """One interaction. `original` is what `@original` means: the answer, or the message whose button was pressed.

    Times named `_at` are the event loop's, in seconds.
    """

    id: int
    token: str
    kind: Kind
    member: Member
    channel: Channel
    data: Json
    born_at: float
    born_ms: int
    source: Message | None = None
    command_name: str = ""
    answer: Answer | None = None
    acknowledged_at: float | None = None
    answered_at: float | None = None
    original: Message | None = None
    followups: list[Message] = field(default_factory=list)
    modal: Json | None = None
    choices: list[Json] | None = None
    changed: Signal = field(default_factory=Signal)

    @property
    def loading(self) -> bool:
        """Whether the member still sees "… is thinking"."""
        if self.answer is Answer.DEFERRED_UPDATE:
            return self.answered_at is None
        return self.original is not None and bool(self.original.flags & MessageFlag.LOADING)


class Interactions:
    """All interactions of a sandbox. `acknowledge_s` may be lengthened while a debugger is used."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.acknowledge_s = ACKNOWLEDGE_S
        self.hidden: dict[int, tuple[Message, int]] = {}
        """Ephemeral messages by id, with the user who may see them."""
        self._by_id: dict[int, Interaction] = {}
        self._by_token: dict[str, Interaction] = {}
        self._watched: dict[int, list[Interaction]] = {}

    @property
    def _clock(self) -> Clock:
        return self.world.clock

    def open(
        self, kind: Kind, member: Member, channel: Channel, data: Json, *, source: Message | None = None, name: str = ""
    ) -> Interaction:
        """A member did something: creates a new interaction, which the bot does not know yet."""
        interaction = Interaction(
            id=self.world.ids.make(), token=f"aW50ZXJhY3Rpb246{secrets.token_urlsafe(48)}", kind=kind, member=member,
            channel=channel, data=data, born_at=asyncio.get_running_loop().time(), born_ms=self._clock.now_ms(),
            source=source, command_name=name,
        )  # fmt: skip
        self._by_id[interaction.id] = self._by_token[interaction.token] = interaction
        return interaction

    # Requests of the bot

    def to_answer(self, interaction_id: int, token: str) -> Interaction:
        """The interaction of a callback. Raises ApiError when it is unknown, already answered, or 3 seconds old."""
        found = self._by_id.get(interaction_id)
        if found is None or found.token != token:
            raise errors.unknown_interaction()
        if found.answer is not None:
            raise errors.already_acknowledged()
        if asyncio.get_running_loop().time() - found.born_at > self.acknowledge_s:
            raise errors.unknown_interaction()
        return found

    def by_token(self, token: str) -> Interaction:
        """The interaction behind a webhook token. Raises ApiError 50027 once it is 15 minutes old."""
        found = self._by_token.get(token)
        if found is None:
            raise errors.unknown_webhook()
        if self._clock.now_ms() - found.born_ms > TOKEN_S * 1000:
            raise errors.invalid_webhook_token()
        if found.answer is None:
            raise errors.unknown_webhook()
        return found

    def callback(self, on: Interaction, request: Json, uploads: dict[int, File]) -> None:
        """The bot's first answer. Raises ApiError as Discord would; then the interaction stays unanswered."""
        kinds = tuple(int(kind) for kind in _ALLOWED[on.kind])
        answer = Answer(fields.choice(request.get("type"), "type", kinds))
        if on.kind is Kind.COMPONENT and answer is Answer.CHOICES:
            raise errors.Invalid("type", "INTERACTION_RESPONSE_TYPE_INVALID", "Choices answer an autocomplete only")
        if on.kind is Kind.MODAL and on.source is None and answer in (Answer.UPDATE, Answer.DEFERRED_UPDATE):
            raise errors.Invalid("type", "INTERACTION_RESPONSE_TYPE_INVALID", "No message to update")
        data: Any = request.get("data") or {}
        if answer is Answer.MESSAGE:
            on.original = self._make(on, messages.check(data, uploads))
        elif answer is Answer.DEFERRED_MESSAGE:
            flags = MessageFlag(int(data.get("flags") or 0)) & MessageFlag.EPHEMERAL
            on.original = self._make(on, None, flags | MessageFlag.LOADING)
        elif answer is Answer.DEFERRED_UPDATE:
            on.original = on.source
        elif answer is Answer.UPDATE:
            assert on.source is not None
            self._change(on.source, messages.check(data, uploads, old=on.source))
            on.original = on.source
        elif answer is Answer.MODAL:
            on.modal = components.of_modal(data)
        else:
            on.choices = command_options.suggested(data.get("choices"), "data.choices", _typed_into(on.data))
        on.answer = answer
        on.acknowledged_at = asyncio.get_running_loop().time()
        if answer not in (Answer.DEFERRED_MESSAGE, Answer.DEFERRED_UPDATE):
            on.answered_at = on.acknowledged_at
        if on.original is not None:
            self._watched.setdefault(on.original.id, []).append(on)
        on.changed.fire()

    def message(self, on: Interaction, which: str) -> Message:
        """`@original` or a message id, if this interaction's token may name it. Raises ApiError 10008."""
        if which == "@original":
            found = on.original
        else:
            known = [on.original, *on.followups]
            found = next((m for m in known if m is not None and str(m.id) == which), None)
        if found is None or not self.exists(found):
            raise errors.unknown_message()
        return found

    def edit(self, on: Interaction, message: Message, request: Json, uploads: dict[int, File]) -> None:
        """PATCH of one of the interaction's messages."""
        self._change(message, messages.check(request, uploads, old=message))
        if on.answered_at is None:
            on.answered_at = asyncio.get_running_loop().time()
            on.changed.fire()

    def follow_up(self, on: Interaction, request: Json, uploads: dict[int, File]) -> Message:
        """POST of a followup. The first one after a deferral takes the place of "… is thinking", as on Discord."""
        if on.answer is Answer.DEFERRED_MESSAGE and on.original is not None and on.loading:
            self.edit(on, on.original, request, uploads)
            return on.original
        body = messages.check(request, uploads)
        message = self._make(on, body)
        on.followups.append(message)
        self._watched.setdefault(message.id, []).append(on)
        if on.answered_at is None:
            on.answered_at = asyncio.get_running_loop().time()
        on.changed.fire()
        return message

    def delete(self, message: Message) -> None:
        """DELETE of one of the interaction's messages."""
        if message.ephemeral:
            self.world.forget_attachments(message)
            self.hidden.pop(message.id, None)
            self._fire(message.id)
        else:
            message.delete()

    def exists(self, message: Message) -> bool:
        """Whether the message still exists."""
        if message.ephemeral:
            return message.id in self.hidden
        return message.channel.message(message.id) is message

    # Internal steps

    def _make(self, on: Interaction, body: Body | None, flags: MessageFlag = MessageFlag.NONE) -> Message:
        kind = MessageKind.DEFAULT
        if on.kind is Kind.COMMAND:
            menu = "target_id" in on.data
            kind = MessageKind.CONTEXT_MENU_COMMAND if menu else MessageKind.CHAT_INPUT_COMMAND
        message = Message(
            id=self.world.ids.make(), channel=on.channel, author=self.world.bot, kind=kind,
            flags=flags | (body.flags if body else MessageFlag.NONE), metadata=_metadata(on),
        )  # fmt: skip
        if body is not None:
            messages.apply(body, message)
            message.flags |= body.flags
        if message.ephemeral:
            self.hidden[message.id] = (message, on.member.id)
        else:
            on.channel.add(message)
        return message

    def _change(self, message: Message, body: Body) -> None:
        loading = bool(message.flags & MessageFlag.LOADING)
        messages.apply(body, message)
        if not loading:
            message.edited_ms = self._clock.now_ms()
        if message.ephemeral:
            self._fire(message.id)
        else:
            message.channel.touched()
            self.world.tell(MessageEdited(message))

    def heard(self, event: Event) -> None:
        """The world's listener: notifies replies whose message changed."""
        if isinstance(event, MessageEdited):
            self._fire(event.message.id)
        elif isinstance(event, MessagesDeleted):
            for message_id in event.ids:
                self._fire(message_id)

    def _fire(self, message_id: int) -> None:
        for interaction in self._watched.get(message_id, ()):
            interaction.changed.fire()


def _metadata(on: Interaction) -> Json:
    """interaction_metadata of a message that answers `on`."""
    found: Json = {
        "id": str(on.id),
        "type": int(on.kind),
        "user": user(on.member.user),
        "authorizing_integration_owners": {"0": str(on.channel.guild.id)},
    }
    if on.source is not None:
        found["interacted_message_id"] = str(on.source.id)
    if on.data.get("type") == commands.USER_MENU:
        found["target_user"] = on.data["resolved"]["users"][on.data["target_id"]]
    elif "target_id" in on.data:
        found["target_message_id"] = on.data["target_id"]
    return found


def _typed_into(data: Json) -> int:
    """The type of the option that a member is typing into."""
    options: list[Json] = data.get("options", [])
    while options and "options" in options[0]:
        options = options[0]["options"]
    return next((int(option["type"]) for option in options if option.get("focused")), command_options.STRING)
