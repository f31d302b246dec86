"""Discord's rules for application commands, as an application registers them."""

from typing import Final

from sandbox.checks import fields
from sandbox.errors import ApiError, Invalid
from sandbox.wire import Json

SUBCOMMAND: Final = 1
GROUP: Final = 2
STRING: Final = 3
INTEGER: Final = 4
BOOLEAN: Final = 5
USER: Final = 6
CHANNEL: Final = 7
ROLE: Final = 8
MENTIONABLE: Final = 9
NUMBER: Final = 10
ATTACHMENT: Final = 11

CHAT_INPUT: Final = 1
USER_MENU: Final = 2
MESSAGE_MENU: Final = 3
_MOST: Final = {CHAT_INPUT: 100, USER_MENU: 15, MESSAGE_MENU: 15}
_MOST_CHARACTERS: Final = 8000  # name, description and values of a command with its options
_NUMBERS: Final = (INTEGER, NUMBER)
_DEFAULTS: Final[Json] = {
    "default_member_permissions": None, "dm_permission": True, "contexts": None, "integration_types": [0],
    "name_localizations": None, "description_localizations": None, "nsfw": False, "options": [],
}  # fmt: skip


def check_all(commands: object) -> list[Json]:
    """A bulk overwrite's commands, checked. Raises Invalid or ApiError as Discord would."""
    found = fields.items(commands, "", 0, 130)
    seen: set[tuple[int, str]] = set()
    for i, command in enumerate(found):
        check(command, str(i))
        key = (command.get("type") or CHAT_INPUT, command["name"])
        if key in seen:
            raise Invalid(str(i), "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique")
        seen.add(key)
    for kind, most in _MOST.items():
        if sum(1 for seen_kind, _ in seen if seen_kind == kind) > most:
            raise ApiError(400, 30032, f"Maximum number of application commands reached ({most}).")
    return found


def check(command: object, field: str) -> None:
    """One command. Raises Invalid as Discord would."""
    found = fields.thing(command, field)
    kind = fields.choice(found.get("type") or CHAT_INPUT, f"{field}.type", tuple(_MOST))
    if kind == CHAT_INPUT:
        _name(found.get("name"), f"{field}.name")
        fields.text(found.get("description"), f"{field}.description", 1, 100)
        _options(found.get("options") or [], f"{field}.options", depth=0)
        if (size := _size(found)) > _MOST_CHARACTERS:
            reason = f"Command exceeds maximum size ({_MOST_CHARACTERS}): {size}"
            raise Invalid(field, "APPLICATION_COMMAND_TOO_LARGE", reason)
    else:
        fields.text(found.get("name"), f"{field}.name", 1, 32)
        if found.get("description"):
            raise Invalid(f"{field}.description", "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION", "Must be empty")
        if found.get("options"):
            raise Invalid(f"{field}.options", "APPLICATION_COMMAND_CONTEXT_MENU_OPTIONS", "Must be empty")
    permissions = found.get("default_member_permissions")
    if permissions is not None:
        fields.number(int(permissions), f"{field}.default_member_permissions", 0, (1 << 54) - 1)
    for key, most in (("name_localizations", 32), ("description_localizations", 100)):
        for locale, text in (found.get(key) or {}).items():
            fields.text(text, f"{field}.{key}.{locale}", 1, most)


def registered(command: Json, *, command_id: int, application_id: int, guild_id: int | None) -> Json:
    """A command as Discord answers it once it is registered."""
    found = _DEFAULTS | command | {
        "id": str(command_id), "application_id": str(application_id), "version": str(command_id),
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
    if guild_id is not None:
        found["guild_id"] = str(guild_id)
        found.pop("dm_permission")
    return {key: value for key, value in found.items() if key != "handler" or value is not None}


def _answered(option: Json) -> Json:
    """An option without the keys that are null: Discord leaves those out."""
    found = {key: value for key, value in option.items() if value is not None}
    if "options" in found:
        found["options"] = [_answered(child) for child in found["options"]]
    return found


def _name(value: object, field: str) -> None:
    name = fields.text(value, field, 1, 32)
    if name != name.lower() or not all(c.isalnum() or c in "-_ʼ" for c in name):
        raise Invalid(field, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")


def _options(options: list[Json], field: str, *, depth: int) -> None:
    fields.items(options, field, 0, 25)
    names = [option.get("name") for option in options]
    if len(set(names)) != len(names):
        raise Invalid(field, "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS", "Option name already exists")
    optional = False
    nested = {option.get("type") in (SUBCOMMAND, GROUP) for option in options}
    if nested == {True, False}:
        raise Invalid(field, "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "Sub-commands stand beside sub-commands only")
    for i, option in enumerate(options):
        where = f"{field}.{i}"
        kind = fields.choice(option.get("type"), f"{where}.type", tuple(range(SUBCOMMAND, ATTACHMENT + 1)))
        _name(option.get("name"), f"{where}.name")
        fields.text(option.get("description"), f"{where}.description", 1, 100)
        if kind in (SUBCOMMAND, GROUP):
            if depth > (1 if kind == SUBCOMMAND else 0):
                raise Invalid(where, "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "Nested too deep")
            _options(option.get("options") or [], f"{where}.options", depth=depth + 1)
            continue
        if option.get("required") and optional:
            reason = "Required options must be placed before non-required options"
            raise Invalid(where, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", reason)
        optional = optional or not option.get("required")
        _choices(option, kind, where)


def _choices(option: Json, kind: int, field: str) -> None:
    choices = fields.items(option.get("choices") or [], f"{field}.choices", 0, 25)
    if choices and option.get("autocomplete"):
        raise Invalid(field, "APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_CHOICES", "Choices exclude autocomplete")
    if choices and kind not in (STRING, *_NUMBERS):
        raise Invalid(field, "APPLICATION_COMMAND_OPTIONS_CHOICES_INVALID", "This type has no choices")
    for i, entry in enumerate(choices):
        fields.text(entry.get("name"), f"{field}.choices.{i}.name", 1, 100)
        if kind == STRING:
            fields.text(entry.get("value"), f"{field}.choices.{i}.value", 1, 100)


def _size(command: Json) -> int:
    size = len(command.get("name") or "") + len(command.get("description") or "")
    size += sum(_size(option) for option in command.get("options") or [])
    return size + sum(len(entry["name"]) + len(str(entry["value"])) for entry in command.get("choices") or [])
