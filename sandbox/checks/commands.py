"""Discord's rules for application commands, as an application registers them."""

from typing import Final

from sandbox.checks import command_options, fields, localizations
from sandbox.errors import ApiError, Invalid
from sandbox.wire import Json

CHAT_INPUT: Final = 1
USER_MENU: Final = 2
MESSAGE_MENU: Final = 3
_MOST: Final = {CHAT_INPUT: 100, USER_MENU: 15, MESSAGE_MENU: 15}
_MOST_CHARACTERS: Final = 8000  # name, description and values of a command with its options
_MOST_PERMISSIONS: Final = (1 << 54) - 1
_CONTEXTS: Final = (0, 1, 2)
_INTEGRATION_TYPES: Final = (0, 1)
_DEFAULTS: Final[Json] = {
    "default_member_permissions": None, "dm_permission": True, "contexts": None, "integration_types": [0],
    "name_localizations": None, "description_localizations": None, "nsfw": False, "options": [],
}  # fmt: skip


def check_all(commands: object) -> list[Json]:
    """All of an application's commands, checked. Raises Invalid or ApiError as Discord would."""
    found = fields.items(commands, "", 0, 130)
    for i, command in enumerate(found):
        check(command, str(i))
    seen: set[tuple[int, str]] = set()
    for i, command in enumerate(found):
        if key(command) in seen:
            raise Invalid(str(i), "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique")
        seen.add(key(command))
    for kind, most in _MOST.items():
        if sum(1 for seen_kind, _ in seen if seen_kind == kind) > most:
            raise ApiError(400, 30032, f"Maximum number of application commands reached ({most}).")
    return found


def key(command: Json) -> tuple[int, str]:
    """What identifies a checked command: its type and name."""
    return command.get("type") or CHAT_INPUT, command["name"]


def check(command: object, field: str) -> None:
    """Checks one command; `field` is "" for a single command. Raises Invalid as Discord would."""
    found = fields.thing(command, field)
    kind = CHAT_INPUT if found.get("type") is None else fields.choice(found["type"], f"{field}.type", tuple(_MOST))
    if kind == CHAT_INPUT:
        localizations.command_name(found.get("name"), f"{field}.name")
        fields.text(found.get("description"), f"{field}.description", 1, 100)
        command_options.check(found.get("options"), f"{field}.options")
    else:
        fields.text(found.get("name"), f"{field}.name", 1, 32)
        if found.get("description"):
            raise Invalid(f"{field}.description", "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION", "Must be empty")
        if found.get("options"):
            raise Invalid(f"{field}.options", "APPLICATION_COMMAND_CONTEXT_MENU_OPTIONS", "Must be empty")
    localizations.check(found, field, strict_names=kind == CHAT_INPUT)
    _permissions(found.get("default_member_permissions"), f"{field}.default_member_permissions")
    for flag in ("dm_permission", "nsfw"):
        fields.optional_flag(found.get(flag), f"{field}.{flag}")
    fields.unique_choices(found.get("contexts"), f"{field}.contexts", _CONTEXTS, least=1)
    fields.unique_choices(found.get("integration_types"), f"{field}.integration_types", _INTEGRATION_TYPES, least=1)
    if (size := _size(found)) > _MOST_CHARACTERS:
        reason = f"Command exceeds maximum size ({_MOST_CHARACTERS}): {size}"
        raise Invalid(field, "APPLICATION_COMMAND_TOO_LARGE", reason)


def registered(command: Json, *, command_id: int, version: int, application_id: int, guild_id: int | None) -> Json:
    """A checked command as Discord returns it once it is registered."""
    found = _DEFAULTS | command | {
        "id": str(command_id), "application_id": str(application_id), "version": str(version),
        "type": command.get("type") or CHAT_INPUT, "description": command.get("description") or "",
    }  # fmt: skip
    permissions = found["default_member_permissions"]
    found["default_member_permissions"] = None if permissions is None else str(permissions)
    found["options"] = [_answered(option) for option in found["options"] or []]
    if not found["options"]:
        del found["options"]
    if found["contexts"] is None:
        del found["contexts"]
    if found["integration_types"] is None:
        found["integration_types"] = [0]
    found["nsfw"] = bool(found["nsfw"])
    if guild_id is not None:
        found["guild_id"] = str(guild_id)
        found.pop("dm_permission")
    elif found["dm_permission"] is None:
        found["dm_permission"] = True
    return {name: value for name, value in found.items() if name != "handler" or value is not None}


def _answered(option: Json) -> Json:
    """An option without the keys that are null: Discord leaves these out."""
    found = {name: value for name, value in option.items() if value is not None}
    if "options" in found:
        found["options"] = [_answered(child) for child in found["options"]]
    return found


def _permissions(value: object, field: str) -> None:
    """Permission bits as a number, or as digits in a string."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = int(value)
    if value is not None:
        fields.number(value, field, 0, _MOST_PERMISSIONS)


def _size(command: Json) -> int:
    """The number of characters that count, for a command or option that was checked."""
    size = localizations.longest(command, "name") + localizations.longest(command, "description")
    size += sum(_size(option) for option in command.get("options") or [])
    choices = command.get("choices") or []
    return size + sum(localizations.longest(entry, "name") + len(str(entry["value"])) for entry in choices)
