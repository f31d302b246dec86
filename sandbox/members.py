"""What members do: type commands, press buttons, post and delete. One `Person` is one member with their Discord app."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sandbox.checks import command_options, commands
from sandbox.checks.components import walk
from sandbox.interactions import Answer, Interaction, Kind
from sandbox.options import NotAllowed, Values, leaf, permitted
from sandbox.permissions import Permission
from sandbox.reply import NoAnswer, Reply
from sandbox.wire import Json
from sandbox.wire import components as kinds
from sandbox.wire.interactions import interaction as wire
from sandbox.wire.interactions import resolved_message
from sandbox.world import Channel, File, Member, Message, Thread, User

if TYPE_CHECKING:
    from sandbox.server import Sandbox

_TIMEOUT_S: Final = 30.0


class Person:
    """A member of a guild.

    An action that Discord's apps would not allow raises NotAllowed. If the bot does not answer, NoAnswer is raised.
    """

    def __init__(self, sandbox: "Sandbox", member: Member) -> None:
        self.sandbox = sandbox
        self.member = member

    # Commands

    async def slash(
        self, channel_id: int, name: str, options: Mapping[str, Any] | None = None, *, timeout_s: float = _TIMEOUT_S
    ) -> Reply:
        """Send `/name`. Sub-commands follow after a space ("reindex start").

        Options by name: an attachment as bytes or File, channels, users and roles as ids or objects. Waits for the
        answer.
        """
        channel = self._channel(channel_id)
        data, _ = self._command_data(channel, name, options or {}, None)
        return await self._ask(Kind.COMMAND, channel, data, timeout_s, name=name)

    async def autocomplete(
        self, channel_id: int, name: str, options: Mapping[str, Any], focused: str, *, timeout_s: float = _TIMEOUT_S
    ) -> list[Json]:
        """The choices that the bot offers while the option `focused` is typed."""
        channel = self._channel(channel_id)
        data, option = self._command_data(channel, name, options, focused)
        if not option.get("autocomplete"):
            raise NotAllowed(f"option {focused!r} of /{name} completes nothing")
        reply = await self._ask(Kind.AUTOCOMPLETE, channel, data, timeout_s, name=name)
        return reply.interaction.choices or []

    async def message_command(
        self, channel_id: int, name: str, message_id: int, *, timeout_s: float = _TIMEOUT_S
    ) -> Reply:
        """Right-click a message and pick Apps → `name`."""
        channel = self._channel(channel_id)
        command = self._find(commands.MESSAGE_MENU, name)
        permitted(command, self.member, channel)
        message = channel.message(message_id)
        if message is None:
            raise NotAllowed(f"there is no message {message_id} in {channel.name}")
        resolved = {"messages": {str(message_id): resolved_message(message, self.sandbox.links)}}
        data = {
            "id": command["id"], "name": command["name"], "type": commands.MESSAGE_MENU, "resolved": resolved,
            "target_id": str(message_id), "guild_id": str(self.member.guild.id),
        }  # fmt: skip
        return await self._ask(Kind.COMMAND, channel, data, timeout_s, name=name)

    async def user_command(
        self, channel_id: int, name: str, user: User | Member | int, *, timeout_s: float = _TIMEOUT_S
    ) -> Reply:
        """Right-click a member, or the author of a message who has left, and pick Apps → `name`."""
        channel = self._channel(channel_id)
        command = self._find(commands.USER_MENU, name)
        permitted(command, self.member, channel)
        values = Values(self.member.guild, self.sandbox.links, self.member)
        data = {
            "id": command["id"], "name": command["name"], "type": commands.USER_MENU, "target_id": values.user(user),
            "resolved": values.resolved, "guild_id": str(self.member.guild.id),
        }  # fmt: skip
        return await self._ask(Kind.COMMAND, channel, data, timeout_s, name=name)

    # Components

    async def press(self, on: Reply | Message, which: str, *, timeout_s: float = _TIMEOUT_S) -> Reply:
        """Press the button whose label or custom id is `which`.

        The reply is the answer: the same message or a new one.
        """
        message = self._visible(on)
        buttons = [c for c in walk(message.components) if c["type"] == kinds.BUTTON]
        found = [
            b for b in buttons if which in (b.get("custom_id"), b.get("label"), (b.get("emoji") or {}).get("name"))
        ]
        if len(found) != 1:
            names = [b.get("label") or b.get("custom_id") for b in buttons]
            raise NotAllowed(f"{len(found)} buttons are called {which!r}; there are {names}")
        if found[0].get("disabled") or found[0].get("custom_id") is None:
            raise NotAllowed(f"the button {which!r} cannot be pressed")
        data = {"component_type": kinds.BUTTON, "custom_id": found[0]["custom_id"], "id": found[0]["id"]}
        return await self._ask(Kind.COMPONENT, message.channel, data, timeout_s, source=message)

    async def select(
        self, on: Reply | Message, which: str, values: Sequence[Any], *, timeout_s: float = _TIMEOUT_S
    ) -> Reply:
        """Choose `values` in the menu whose custom id or placeholder is `which`: option values or labels, or ids."""
        message = self._visible(on)
        menus = [c for c in walk(message.components) if c["type"] in kinds.SELECTS]
        found = next((c for c in menus if which in (c["custom_id"], c.get("placeholder"))), None)
        if found is None or found.get("disabled"):
            raise NotAllowed(f"no menu is called {which!r}")
        given = Values(self.member.guild, self.sandbox.links, self.member)
        data: Json = {
            "component_type": found["type"], "custom_id": found["custom_id"], "id": found["id"],
            "values": [self._chosen(found, value, given) for value in values],
        }  # fmt: skip
        if given.resolved:
            data["resolved"] = given.resolved
        return await self._ask(Kind.COMPONENT, message.channel, data, timeout_s, source=message)

    async def submit_modal(self, on: Reply, values: Mapping[str, Any], *, timeout_s: float = _TIMEOUT_S) -> Reply:
        """Fill in the modal that `on` opened, by label or custom id, and send it.

        A file upload takes a list of files.
        """
        modal = on.modal
        if modal is None:
            raise NotAllowed("no modal was opened")
        given = Values(self.member.guild, self.sandbox.links, self.member)
        remaining = dict(values)
        rows = [self._filled(row, remaining, given) for row in modal["components"]]
        if remaining:
            raise NotAllowed(f"the modal has no field {sorted(remaining)}")
        data: Json = {"custom_id": modal["custom_id"], "components": rows}
        if given.resolved:
            data["resolved"] = given.resolved
        source = on.interaction.source
        return await self._ask(Kind.MODAL, on.interaction.channel, data, timeout_s, source=source)

    # Messages

    def read(self, channel_id: int, limit: int = 50) -> list[Message]:
        """The newest messages, newest first; none without the permission to read history."""
        channel = self._channel(channel_id)
        return channel.page(limit) if channel.read_by(self.member) else []

    def post(
        self, channel_id: int, content: str = "", files: Sequence[File] = (), *, reply_to: Message | None = None
    ) -> Message:
        """Write a message."""
        channel = self._channel(channel_id)
        inside = isinstance(channel, Thread)
        want = Permission.SEND_MESSAGES_IN_THREADS if inside else Permission.SEND_MESSAGES
        if files:
            want |= Permission.ATTACH_FILES
        if channel.allows(self.member) & want != want:
            raise NotAllowed(f"{self.member.display_name} may not write in {channel.name}")
        return channel.post(self.member.user, content, files=files, reply_to=reply_to)

    def edit(self, message: Message, content: str | None = None, *, files: Sequence[File] | None = None) -> None:
        """Edit a message of one's own."""
        if message.author != self.member.user:
            raise NotAllowed("only the author may edit a message")
        message.edit(content, files=files)

    def delete(self, message: Message) -> None:
        """Delete one's own message, or another's with MANAGE_MESSAGES."""
        manages = message.channel.allows(self.member) & Permission.MANAGE_MESSAGES
        if message.author != self.member.user and not manages:
            raise NotAllowed(f"{self.member.display_name} may not delete that message")
        message.delete()

    def direct_messages(self) -> list[str]:
        """What the bot has written to this user, newest first."""
        channel = self.sandbox.world.direct.get(self.member.id)
        return [] if channel is None else [message.content for message in reversed(channel.messages)]

    # Internal steps

    def _channel(self, channel_id: int) -> Channel:
        channel = self.member.guild.find(channel_id)
        if channel is None or not channel.seen_by(self.member):
            raise NotAllowed(f"{self.member.display_name} sees no channel {channel_id}")
        return channel

    def _visible(self, on: Reply | Message) -> Message:
        """The message, if it still exists and is shown to this member."""
        message = on.message if isinstance(on, Reply) else on
        hidden = self.sandbox.interactions.hidden.get(message.id)
        if not self.sandbox.interactions.exists(message):
            raise NotAllowed("the message is gone")
        if hidden is not None and hidden[1] != self.member.id:
            raise NotAllowed(f"{self.member.display_name} does not see that message")
        if not message.channel.seen_by(self.member):
            raise NotAllowed(f"{self.member.display_name} cannot see {message.channel.name}")
        return message

    def _find(self, kind: int, name: str) -> Json:
        registered = self.sandbox.api.commands
        own = [*registered.get(self.member.guild.id, []), *registered[None]]
        found = next((command for command in own if command["type"] == kind and command["name"] == name), None)
        if found is None:
            known = [command["name"] for command in own if command["type"] == kind]
            raise NotAllowed(f"the bot has registered no command {name!r}; there are {known}")
        return found

    def _command_data(
        self, channel: Channel, name: str, given: Mapping[str, Any], focused: str | None
    ) -> tuple[Json, Json]:
        """The interaction's data, and the focused option (empty when none is)."""
        root, *path = name.split()
        command = self._find(commands.CHAT_INPUT, root)
        permitted(command, self.member, channel)
        target, folders = leaf(command, path)
        values = Values(self.member.guild, self.sandbox.links, self.member)
        options = values.nest(folders, values.options(target, given, focused))
        data: Json = {"id": command["id"], "name": root, "type": commands.CHAT_INPUT}
        if options:
            data["options"] = options
        if values.resolved:
            data["resolved"] = values.resolved
        if "guild_id" in command:
            data["guild_id"] = command["guild_id"]
        option: Json = next((o for o in target.get("options", []) if o["name"] == focused), {})
        return data, option

    def _chosen(self, menu: Json, value: Any, given: Values) -> str:
        if menu["type"] != kinds.STRING_SELECT:
            kind = {
                5: command_options.USER,
                6: command_options.ROLE,
                7: command_options.MENTIONABLE,
                8: command_options.CHANNEL,
            }[menu["type"]]
            option = {"name": menu["custom_id"], "type": kind, "channel_types": menu.get("channel_types")}
            entry = given.options({"name": "menu", "options": [option]}, {menu["custom_id"]: value})[0]
            return str(entry["value"])
        for option in menu["options"]:
            if value in (option["value"], option["label"]):
                return str(option["value"])
        raise NotAllowed(f"the menu has no option {value!r}")

    def _filled(self, row: Json, left: dict[str, Any], given: Values) -> Json:
        """One row of a modal with the typed value. Removes its value from `left`."""
        if row["type"] == kinds.TEXT:
            return {"type": row["type"], "id": row["id"], "content": row["content"]}
        field = row["component"] if row["type"] == kinds.LABEL else row["components"][0]
        names = (field["custom_id"], row.get("label"), field.get("label"))
        value = next((left.pop(name) for name in names if name in left), None)
        if value is None and field.get("required", True):
            raise NotAllowed(f"the modal needs {names[0]!r}")
        sent: Json = {"type": field["type"], "id": field["id"], "custom_id": field["custom_id"]}
        if field["type"] == kinds.TEXT_INPUT:
            sent["value"] = str(value or "")
        elif field["type"] == kinds.FILE_UPLOAD:
            sent["values"] = [given.upload(file) for file in value or []]
        elif field["type"] in (kinds.CHECKBOX, kinds.RADIO_GROUP):
            sent["value"] = value
        elif field["type"] == kinds.CHECKBOX_GROUP:
            sent["values"] = list(value or [])
        else:
            sent["values"] = [self._chosen(field, chosen, given) for chosen in value or []]
        key = "component" if row["type"] == kinds.LABEL else "components"
        return {"type": row["type"], "id": row["id"], key: sent if key == "component" else [sent]}

    async def _ask(
        self, kind: Kind, channel: Channel, data: Json, timeout_s: float, *,
        source: Message | None = None, name: str = "",
    ) -> Reply:  # fmt: skip
        sandbox = self.sandbox
        if not sandbox.gateway.connected(channel.guild):
            raise NoAnswer("the bot is offline")
        on = sandbox.interactions.open(kind, self.member, channel, data, source=source, name=name)
        payload = wire(on, sandbox.links)
        for session in sandbox.gateway.sessions_of(channel.guild):
            session.push("INTERACTION_CREATE", payload)
        if not await on.changed.until(lambda: on.answer is not None, sandbox.interactions.acknowledge_s):
            raise NoAnswer(f"{name or data.get('custom_id')}: The application did not respond (3 s)")
        await self._answered(on, timeout_s)
        if on.answer is Answer.DEFERRED_UPDATE and on.followups:
            return Reply(sandbox, on, on.followups[-1])
        return Reply(sandbox, on)

    async def _answered(self, on: Interaction, timeout_s: float) -> None:
        """Wait until the member sees an answer, not "… is thinking"."""

        def done() -> bool:
            deleted = on.original is not None and not self.sandbox.interactions.exists(on.original)
            return deleted or not on.loading

        if not await on.changed.until(done, timeout_s):
            raise NoAnswer(f"the bot is still thinking after {timeout_s} s")
