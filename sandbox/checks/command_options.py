"""Discord's rules for the options of a slash command: sub-commands, types, ranges and choices."""

from typing import Final

from sandbox.checks import fields, localizations
from sandbox.errors import Invalid
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

_KINDS: Final = tuple(range(SUBCOMMAND, ATTACHMENT + 1))
_NUMBERS: Final = (INTEGER, NUMBER)
_CHOOSABLE: Final = (STRING, *_NUMBERS)
_CHANNEL_KINDS: Final = (0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 16)
_MOST_INTEGER: Final = (1 << 53) - 1
_MOST_LENGTH: Final = 6000
# Which types allow which key. On any other type the key must be absent or null.
_ONLY_ON: Final = {
    "choices": _CHOOSABLE, "autocomplete": _CHOOSABLE, "min_value": _NUMBERS, "max_value": _NUMBERS,
    "min_length": (STRING,), "max_length": (STRING,), "channel_types": (CHANNEL,), "options": (SUBCOMMAND, GROUP),
}  # fmt: skip


def check(options: object, field: str, *, inside: int | None = None) -> None:
    """A list of options. `inside`: the type of the option that holds them. Raises Invalid as Discord would."""
    if options is None:
        return
    found = [fields.thing(option, f"{field}.{i}") for i, option in enumerate(fields.items(options, field, 0, 25))]
    for i, option in enumerate(found):
        _option(option, f"{field}.{i}", inside)
    names = [option["name"] for option in found]
    if len(set(names)) != len(names):
        raise Invalid(field, "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS", "Option name already exists")
    if {option["type"] in (SUBCOMMAND, GROUP) for option in found} == {True, False}:
        raise Invalid(field, "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "Sub-commands stand beside sub-commands only")
    optional = False
    for i, option in enumerate(found):
        if option["type"] in (SUBCOMMAND, GROUP):
            continue
        if option.get("required") and optional:
            reason = "Required options must be placed before non-required options"
            raise Invalid(f"{field}.{i}", "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", reason)
        optional = optional or not option.get("required")


def _option(option: Json, field: str, inside: int | None) -> None:
    kind = fields.choice(option.get("type"), f"{field}.type", _KINDS)
    localizations.command_name(option.get("name"), f"{field}.name")
    fields.text(option.get("description"), f"{field}.description", 1, 100)
    localizations.check(option, field, strict_names=True)
    fields.optional_flag(option.get("required"), f"{field}.required")
    for key, kinds in _ONLY_ON.items():
        if option.get(key) and kind not in kinds:
            raise Invalid(f"{field}.{key}", "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "This type does not take it")
    if kind in (SUBCOMMAND, GROUP):
        if inside == SUBCOMMAND or (inside == GROUP and kind == GROUP):
            raise Invalid(field, "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "Nested too deep")
        _nested(option, kind, field)
        return
    if inside == GROUP:
        raise Invalid(field, "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "A group holds sub-commands only")
    if kind in _CHOOSABLE:
        fields.optional_flag(option.get("autocomplete"), f"{field}.autocomplete")
        _choices(option, kind, field)
    if kind in _NUMBERS:
        _range(option, field, "min_value", "max_value", whole=kind == INTEGER)
    elif kind == STRING:
        _lengths(option, field)
    elif kind == CHANNEL:
        fields.unique_choices(option.get("channel_types"), f"{field}.channel_types", _CHANNEL_KINDS)


def _nested(option: Json, kind: int, field: str) -> None:
    if kind == GROUP and not option.get("options"):
        raise Invalid(f"{field}.options", "BASE_TYPE_REQUIRED", "A group holds at least one sub-command")
    check(option.get("options"), f"{field}.options", inside=kind)


def _value(value: object, field: str, *, whole: bool) -> float:
    if whole:
        return fields.number(value, field, -_MOST_INTEGER, _MOST_INTEGER)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Invalid(field, "NUMBER_TYPE_COERCE", f'Value "{value}" is not float.')
    return value


def _range(option: Json, field: str, low: str, high: str, *, whole: bool) -> None:
    ends = [_value(option[key], f"{field}.{key}", whole=whole) for key in (low, high) if option.get(key) is not None]
    if len(ends) == 2 and ends[0] > ends[1]:
        raise Invalid(f"{field}.{high}", "NUMBER_TYPE_MIN", f"{high} is below {low}")


def _lengths(option: Json, field: str) -> None:
    for key, least in (("min_length", 0), ("max_length", 1)):
        if option.get(key) is not None:
            fields.number(option[key], f"{field}.{key}", least, _MOST_LENGTH)
    _range(option, field, "min_length", "max_length", whole=True)


def suggested(choices: object, field: str, kind: int) -> list[Json]:
    """The choices that an application suggests for an option of this type. Raises Invalid as Discord would."""
    found = [fields.thing(entry, f"{field}.{i}") for i, entry in enumerate(fields.items(choices, field, 0, 25))]
    for i, entry in enumerate(found):
        fields.text(entry.get("name"), f"{field}.{i}.name", 1, 100)
        localizations.check(entry, f"{field}.{i}", strict_names=False, most_name=100, described=False)
        if kind == STRING:
            fields.text(entry.get("value"), f"{field}.{i}.value", 1, 100)
        else:
            _value(entry.get("value"), f"{field}.{i}.value", whole=kind == INTEGER)
    return found


def _choices(option: Json, kind: int, field: str) -> None:
    if option.get("choices") is None:
        return
    found = fields.items(option["choices"], f"{field}.choices", 0, 25)
    if found and option.get("autocomplete"):
        raise Invalid(field, "APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_CHOICES", "Choices exclude autocomplete")
    names = set()
    for i, entry in enumerate(found):
        where = f"{field}.choices.{i}"
        fields.thing(entry, where)
        name = fields.text(entry.get("name"), f"{where}.name", 1, 100)
        localizations.check(entry, where, strict_names=False, most_name=100, described=False)
        if kind == STRING:
            fields.text(entry.get("value"), f"{where}.value", 1, 100)
        else:
            _value(entry.get("value"), f"{where}.value", whole=kind == INTEGER)
        if name in names:
            code = "APPLICATION_COMMAND_OPTIONS_CHOICE_NAME_ALREADY_EXISTS"
            raise Invalid(where, code, "Option choice name already exists")
        names.add(name)
