"""Converts what a person wrote (TOML values, environment strings) to typed settings.
Keys come from reflection; types are strict.
"""

from __future__ import annotations

import difflib
import ipaddress
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from bot.config.shards import ShardRange, shard_range
from indexer.errors import ConfigError
from indexer.settings import About

PREFIX = "AFTERIMAGE_"

# Three base64 groups: a bot's token as Discord makes them (user id, time, 27 or more characters of HMAC).
TOKEN_SHAPE = re.compile(r"[\w-]{20,32}\.[\w-]{5,8}\.[\w-]{25,}")

_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


class Secret:
    """A string that shows itself to `reveal()` only: repr, str, format and pickling give nothing away."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "<hidden>"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


@dataclass(frozen=True, slots=True)
class Key:
    """One setting: its place in the file (`table` is empty at the top), its type, default and documentation."""

    table: str
    name: str
    kind: Any
    default: Any
    about: About

    @property
    def dotted(self) -> str:
        return f"{self.table}.{self.name}" if self.table else self.name

    @property
    def variable(self) -> str:
        """The environment variable that overrides it."""
        return PREFIX + self.dotted.replace(".", "_").upper()


def _is_table(kind: Any) -> bool:
    """Whether a field of this type is a table of settings of its own."""
    return is_dataclass(kind) and kind is not ShardRange


def keys_of(settings: type[Any], table: str = "") -> Iterator[Key]:
    """Every key of a settings dataclass, in its order. A field that is a dataclass is a table. Secrets are left out."""
    hints = get_type_hints(settings, include_extras=True)
    for field in fields(settings):
        kind = hints[field.name]
        about = About("")
        if get_origin(kind) is Annotated:
            kind, about = get_args(kind)[:2]
        if _is_table(kind):
            yield from keys_of(kind, field.name)
        elif kind != Secret | None:
            default = field.default_factory() if field.default_factory is not MISSING else field.default
            yield Key(table, field.name, kind, default, about)


def suggest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """` (did you mean …?)`, or an empty text where no name is similar."""
    names = list(known)
    near = difflib.get_close_matches(word.lower(), [name.lower() for name in names], n=1, cutoff=cutoff)
    found = [name for name in names if near and name.lower() == near[0]]
    return f" (did you mean {found[0]}?)" if found else ""


def shown(value: object) -> str:
    """A value as an error shows it: as written, shortened, and never a token."""
    text = repr(value)
    return "a value that looks like a token" if TOKEN_SHAPE.search(text) else text[:80]


def allowed(key: Key) -> str:
    """The values that the key allows, in words."""
    about, kind = key.about, key.kind
    if about.choices:
        return "one of " + ", ".join(about.choices)
    words = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a text",
        Path: "a path",
        ShardRange: 'a whole number, 0 or more, or some of them as "4-7/16" or "5/16"',
    }.get(kind)
    if words is None:
        words = "a path, or empty for none" if kind == Path | None else "a list of texts"
    if about.low is not None and about.high is not None:
        words += f" from {about.low} to {about.high}"
    elif about.low is not None:
        words += f", {about.low} or more"
    elif about.high is not None:
        words += f", {about.high} or less"
    return f"{words} ({about.unit})" if about.unit else words


def from_text(key: Key, text: str) -> object:
    """The TOML value that an environment variable's text means. A text that does not fit is returned unchanged."""
    text = text.strip()
    if key.kind is bool and text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    if key.kind in (int, float):
        for number in (int, float):
            try:
                return number(text)
            except ValueError:
                continue
    if key.kind == tuple[str, ...]:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def convert(key: Key, value: object, origin: str, base: Path) -> Any:
    """The typed value of a key. Relative paths are relative to `base`.

    Raises ConfigError that names `origin` (file or variable), key, value and the allowed values.
    """
    wrong = ConfigError(f"{origin}: {key.dotted} is {shown(value)}, but must be {allowed(key)}")
    about = key.about
    match value:
        case bool() if key.kind is bool:
            return value
        case bool():
            raise wrong
        case int() | float() if key.kind in (int, float):
            if (key.kind is int and not isinstance(value, int)) or not math.isfinite(value):
                raise wrong
            if (about.low is not None and value < about.low) or (about.high is not None and value > about.high):
                raise wrong
            return key.kind(value)
        case str() if key.kind is str:
            if about.choices and value not in about.choices:
                raise ConfigError(str(wrong) + suggest(value, about.choices))
            return value
        case str() if key.kind in (Path, Path | None):
            if not value:
                if key.kind is Path:
                    raise wrong
                return None
            return base / Path(value).expanduser()
        case int() | str() if key.kind is ShardRange:
            try:
                return shard_range(value)
            except ValueError as error:
                raise ConfigError(f"{wrong}: {error}") from None
        case list() if key.kind == tuple[str, ...] and all(isinstance(part, str) and part for part in value):
            return tuple(value)
        case _:
            raise wrong


def written(value: object) -> str:
    """A default or a value in force, as TOML text."""
    match value:
        case bool():
            return str(value).lower()
        case NoneType():
            return '""'
        case ShardRange():
            return str(value) if value.whole else f'"{value}"'
        case int() if abs(value) >= 100_000:
            return f"{value:_}"
        case float() if value.is_integer() and abs(value) >= 100_000:
            return f"{value:_.1f}"
        case tuple():
            return "[" + ", ".join(written(part) for part in value) + "]"
        case str() | Path():
            text = str(value).replace("\\", "\\\\").replace('"', '\\"')
            return f'"{text}"'
        case _:
            return str(value)


def build(settings: type[Any], values: Mapping[str, Any], table: str = "") -> Any:
    """The dataclass with its defaults replaced by `values` (by dotted name)."""
    hints = get_type_hints(settings)
    given: dict[str, Any] = {}
    for field in fields(settings):
        dotted = f"{table}.{field.name}" if table else field.name
        if _is_table(hints[field.name]):
            given[field.name] = build(hints[field.name], values, field.name)
        elif dotted in values:
            given[field.name] = values[dotted]
    return settings(**given)


def listen_address(text: str) -> tuple[str, int]:
    """The IP address and port of `127.0.0.1:8642` or `[::1]:8642`. Raises ValueError for anything else."""
    host, _, port = text.rpartition(":")
    try:
        address, number = ipaddress.ip_address(host.removeprefix("[").removesuffix("]")), int(port)
        if (address.version == 6) == host.startswith("[") and 0 <= number < 65536:
            return str(address), number
    except ValueError:
        pass
    raise ValueError(f"{text!r} is no address and port")


def is_origin(text: str) -> bool:
    """Whether this is a site as a browser names it: `https://tools.example.org`, `http://localhost:3000`."""
    return re.fullmatch(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?", text) is not None
