"""Names and descriptions of commands, options and choices, in every language Discord has."""

import unicodedata
from typing import Final

from sandbox.checks import fields
from sandbox.errors import Invalid
from sandbox.wire import Json

LOCALES: Final = (
    "ar", "bg", "cs", "da", "de", "el", "en-GB", "en-US", "es-419", "es-ES", "fi", "fr", "he", "hi", "hr", "hu", "id",
    "it", "ja", "ko", "lt", "nl", "no", "pl", "pt-BR", "ro", "ru", "sv-SE", "th", "tr", "uk", "vi", "zh-CN", "zh-TW",
)  # fmt: skip
_SIGNS: Final = "-_'"
_WITH_MARKS: Final = ("DEVANAGARI ", "THAI ")


def command_name(value: object, field: str) -> str:
    """The name of a slash command or option: lower case, letters, digits and "-_'". Raises Invalid."""
    name = fields.text(value, field, 1, 32)
    if name != name.lower() or not all(c in _SIGNS or _is_letter(c) for c in name):
        raise Invalid(field, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
    return name


def check(subject: Json, field: str, *, strict_names: bool, most_name: int = 32, described: bool = True) -> None:
    """The translations of `subject`'s name and description. `strict_names`: as `command_name`. Raises Invalid."""
    for locale, text in _of(subject, "name_localizations", field).items():
        where = f"{field}.name_localizations.{locale}"
        if strict_names:
            command_name(text, where)
        else:
            fields.text(text, where, 1, most_name)
    if described:
        for locale, text in _of(subject, "description_localizations", field).items():
            fields.text(text, f"{field}.description_localizations.{locale}", 1, 100)


def longest(subject: Json, key: str) -> int:
    """The length of the longest of a text and its translations: only that one counts towards a command's size."""
    texts = [subject.get(key) or "", *(subject.get(f"{key}_localizations") or {}).values()]
    return max(len(text) for text in texts)


def _of(subject: Json, key: str, field: str) -> Json:
    found = subject.get(key)
    if found is None:
        return {}
    for locale in fields.thing(found, f"{field}.{key}"):
        fields.choice(locale, f"{field}.{key}", LOCALES)
    return dict(found)


def _is_letter(sign: str) -> bool:
    kind = unicodedata.category(sign)
    return kind[0] in "LN" or (kind[0] == "M" and unicodedata.name(sign, "").startswith(_WITH_MARKS))
