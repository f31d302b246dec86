"""A member's options for a slash command, checked and converted to Discord's shape as a Discord app would."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sandbox.checks import command_options
from sandbox.links import Links
from sandbox.permissions import Permission
from sandbox.wire import Json
from sandbox.wire import guilds as wire
from sandbox.wire.media import attachment
from sandbox.world import Channel, ChannelKind, File, Guild, Member, Role, User

_FOLDERS: Final = (command_options.SUBCOMMAND, command_options.GROUP)
_ENTITIES: Final = (command_options.USER, command_options.CHANNEL, command_options.ROLE, command_options.MENTIONABLE)
_PYTHON: Final[dict[int, tuple[type, ...]]] = {
    command_options.STRING: (str,), command_options.INTEGER: (int,),
    command_options.BOOLEAN: (bool,), command_options.NUMBER: (int, float),
}  # fmt: skip


class NotAllowed(Exception):
    """A Discord app would not let this member do that. The message says why."""


def permitted(command: Json, member: Member, channel: Channel) -> None:
    """Raise NotAllowed unless `member` sees `command` in `channel`."""
    if not channel.seen_by(member):
        raise NotAllowed(f"{member.display_name} cannot see {channel.name}")
    allowed = channel.allows(member)
    if not allowed & Permission.USE_APPLICATION_COMMANDS:
        raise NotAllowed(f"{member.display_name} may not use commands in {channel.name}")
    needed = command["default_member_permissions"]
    if needed is not None:
        # "0" requires no permission, but it hides the command from everybody except administrators.
        want = Permission(int(needed)) or Permission.ADMINISTRATOR
        if allowed & want != want:
            raise NotAllowed(f"/{command['name']} is not shown to {member.display_name}: it needs {want!r}")
    if 0 not in (command.get("contexts") or [0]):
        raise NotAllowed(f"/{command['name']} cannot be used in a server")
    if command.get("nsfw") and not channel.adult:
        raise NotAllowed(f"/{command['name']} is for age-restricted channels only")


def leaf(command: Json, path: Sequence[str]) -> tuple[Json, list[Json]]:
    """The (sub)command that `path` names below `command`, and the groups on the way. Raises NotAllowed."""
    found, folders = command, []
    for name in path:
        child = next((o for o in found.get("options", []) if o["name"] == name and o["type"] in _FOLDERS), None)
        if child is None:
            raise NotAllowed(f"/{command['name']} has no sub-command {' '.join(path)!r}")
        folders.append(child)
        found = child
    if any(option["type"] in _FOLDERS for option in found.get("options", [])):
        raise NotAllowed(f"/{command['name']} {' '.join(path)} needs a sub-command")
    return found, folders


class Values:
    """Converts given values to options, and collects the objects that they resolve to."""

    def __init__(self, guild: Guild, links: Links, member: Member) -> None:
        self.guild = guild
        self.links = links
        self.member = member
        self.resolved: Json = {}

    def options(self, command: Json, given: Mapping[str, Any], focused: str | None = None) -> list[Json]:
        """`given` by name as the options of `command` require it. `focused`: the option that is being typed; others may
        be missing.

        Raises NotAllowed for unknown names, missing options, and values that an app would not send.
        """
        known = {option["name"]: option for option in command.get("options", [])}
        if extra := given.keys() - known.keys():
            raise NotAllowed(f"{command['name']} has no option {sorted(extra)}; it has {sorted(known)}")
        missing = [name for name, option in known.items() if option.get("required") and name not in given]
        if missing and focused is None:
            raise NotAllowed(f"{command['name']} needs the option {missing[0]!r}")
        found = []
        for name, value in given.items():
            kind = known[name]["type"]
            entry = {"name": name, "type": kind, "value": value if name == focused else self._value(known[name], value)}
            found.append(entry | ({"focused": True} if name == focused else {}))
        return found

    def nest(self, folders: Sequence[Json], options: list[Json]) -> list[Json]:
        """Puts options inside the sub-commands that they belong to."""
        for folder in reversed(folders):
            options = [{"name": folder["name"], "type": folder["type"], "options": options}]
        return options

    def _value(self, option: Json, value: Any) -> Any:
        kind, name = option["type"], option["name"]
        if kind == command_options.ATTACHMENT:
            return self.upload(value)
        if kind in _ENTITIES:
            return self._entity(option, value)
        if not isinstance(value, _PYTHON[kind]) or (kind != command_options.BOOLEAN and isinstance(value, bool)):
            raise NotAllowed(f"option {name!r} does not take {value!r}")
        choices = [choice["value"] for choice in option.get("choices", [])]
        if choices and value not in choices:
            raise NotAllowed(f"option {name!r} takes one of {choices}, not {value!r}")
        low, high, size = (
            (option.get("min_length", 0), option.get("max_length", 6000), len(value))
            if isinstance(value, str)
            else (option.get("min_value", -(2**53)), option.get("max_value", 2**53), value)
        )
        if not low <= size <= high:
            raise NotAllowed(f"option {name!r} must be from {low} to {high}, not {size}")
        return value

    def upload(self, value: Any) -> str:
        """A file as the member's app uploads it. Bytes become `image.png`."""
        file = File.of("image.png", bytes(value)) if isinstance(value, bytes | bytearray) else value
        if not isinstance(file, File):
            raise NotAllowed(f"an attachment option takes bytes or a File, not {type(value).__name__}")
        made = self.guild.world.attach(self.guild.world.application.id, [file], ephemeral=True)[0]
        self.resolved.setdefault("attachments", {})[str(made.id)] = attachment(made, self.links)
        return str(made.id)

    def user(self, value: User | Member | int) -> str:
        """The id of a user, who need not be a member any more."""
        number = value if isinstance(value, int) else value.id
        self._user(number)
        return str(number)

    def _entity(self, option: Json, value: Any) -> str:
        number = value.id if isinstance(value, Channel | Member | Role | User) else int(value)
        kind = option["type"]
        if kind == command_options.CHANNEL:
            self._channel(option, number)
        elif kind == command_options.ROLE or (kind == command_options.MENTIONABLE and number in self.guild.roles):
            self._role(number)
        else:
            self._user(number)
        return str(number)

    def _channel(self, option: Json, number: int) -> None:
        channel = self.guild.find(number)
        if channel is None or not channel.seen_by(self.member):
            raise NotAllowed(f"{self.member.display_name} cannot pick channel {number}")
        kinds = option.get("channel_types") or list(ChannelKind)
        if channel.kind not in kinds:
            raise NotAllowed(f"option {option['name']!r} does not take a {channel.kind.name.lower()} channel")
        about = {"app_permissions": str(int(channel.allows(self.guild.me)))}
        self.resolved.setdefault("channels", {})[str(number)] = wire.channel(channel, self.member) | about

    def _role(self, number: int) -> None:
        if number not in self.guild.roles:
            raise NotAllowed(f"there is no role {number}")
        self.resolved.setdefault("roles", {})[str(number)] = wire.role(self.guild.roles[number])

    def _user(self, number: int) -> None:
        world = self.guild.world
        if number not in world.users:
            raise NotAllowed(f"there is no user {number}")
        self.resolved.setdefault("users", {})[str(number)] = wire.user(world.users[number])
        member = self.guild.members.get(number)
        if member is not None:
            about = wire.member(member, with_user=False) | {"permissions": str(int(member.permissions()))}
            self.resolved.setdefault("members", {})[str(number)] = about
