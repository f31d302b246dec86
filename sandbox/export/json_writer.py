"""JSON as the exporter's library writes it: indented by two, letters unchanged, some of them escaped."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

# The characters of the basic plane that .NET's relaxed encoder escapes. Every character beyond that plane is escaped as
# a pair.
_ESCAPED: Final = frozenset({"Cc", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})
_SHORT: Final = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def encoded(value: object, *, depth: int = 0, newline: str = "\n") -> str:
    """`value` as JSON.
    `depth` is its nesting depth in the document, `newline` the line break of the writer's machine.
    """
    return "".join(_parts(value, depth, newline))


def string(text: str) -> str:
    """A string in quotes."""
    return '"' + "".join(_letter(letter) for letter in text) + '"'


def _letter(letter: str) -> str:
    if letter in _SHORT:
        return _SHORT[letter]
    if letter != " " and (ord(letter) > 0xFFFF or unicodedata.category(letter) in _ESCAPED):
        units = letter.encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[at : at + 2].hex().upper()}" for at in range(0, len(units), 2))
    return letter


def _parts(value: object, depth: int, newline: str) -> Iterator[str]:
    match value:
        case None:
            yield "null"
        case bool():
            yield "true" if value else "false"
        case int():
            yield str(value)
        case str():
            yield string(value)
        case Mapping():
            members = [
                f"{string(key)}: {encoded(item, depth=depth + 1, newline=newline)}" for key, item in value.items()
            ]
            yield _block("{}", members, depth, newline)
        case Sequence():
            yield _block("[]", [encoded(item, depth=depth + 1, newline=newline) for item in value], depth, newline)
        case _:
            raise TypeError(f"not in an export: {value!r}")


def _block(brackets: str, members: Sequence[str], depth: int, newline: str) -> str:
    if not members:
        return brackets
    inside = newline + "  " * (depth + 1)
    return brackets[0] + inside + f",{inside}".join(members) + newline + "  " * depth + brackets[1]
