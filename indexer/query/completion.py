"""What could stand where a member is typing: the names of filters, and what is put in place of an unfinished value.

Only the end of a text is completed. What stands before it stays as it is, whatever it says. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from indexer.errors import TellPerson
from indexer.query.colour_names import ALL_NAMES, NAMES
from indexer.query.grammar import CLOSING_QUOTES, EXCLUDABLE, HAS, TEXT, parse, raw_tokens

# The filters that mean something in a server, in the order in which they are suggested. Those of collections alone
# (camera:, lens:, near:) are refused there.
FILTERS = ("in", "from", "after", "before", "has", "color", "tag", "count", "min", "weight", "diverse")
# Quotes that a value with a space may stand in: the first pair whose closing one the value does not contain.
_QUOTES = tuple((opening, CLOSING_QUOTES[opening]) for opening in ('"', "«", "“"))


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The end of a text, where somebody is typing. `before` is all that stands before it.

    `key` is the filter whose value is being typed, and `typed` what there is of the value. Without a key, `typed` is
    what there is of a word, which may become a filter's name. `minus` stands before it.
    """

    before: str
    key: str = ""
    typed: str = ""
    minus: bool = False

    def with_value(self, value: str) -> str | None:
        """The text with this value of the filter; None where no way of writing it means this value."""
        for opening, closing in (("", ""), *_QUOTES):
            written = f"{self.key}:{opening}{value}{closing}"
            if _says(written, value):
                return f"{self.before}{'-' if self.minus else ''}{written}"
        return None

    def with_filters(self) -> list[str]:
        """The text with each filter's name that the word may become."""
        names = list(beginning(FILTERS, self.typed)) or list(beginning(("colour",), self.typed))
        minus = "-" if self.minus else ""
        return [f"{self.before}{minus}{name}:" for name in names if name in EXCLUDABLE or not self.minus]


def unfinished(text: str) -> Unfinished | None:
    """What is being typed at the end of the text; None where nothing can be completed: behind a closed quote, in quotes
    that are no filter's value, and behind a backslash.
    """
    tokens = list(raw_tokens(text))
    last = tokens[-1] if tokens else None
    if not text or (text[-1].isspace() and not (last and last.unclosed)):
        if last and last.key and not last.text and not last.quoted:  # a space may stand between a filter and its value
            return Unfinished(text[: last.start], last.key, "", last.minus)
        return Unfinished(text)
    if last is None or last.end < len(text):
        return None
    name = tokens[-2] if len(tokens) > 1 and tokens[-2].key and not tokens[-2].text else None
    if last.plain or (last.quoted and not last.unclosed):
        return None
    if last.key:
        return Unfinished(text[: last.start], last.key, last.text, last.minus)
    if name and not last.minus:
        return Unfinished(text[: name.start], name.key, last.text, name.minus)
    return None if last.quoted else Unfinished(text[: last.start], "", last.text, last.minus)


def known_values(key: str, typed: str) -> Sequence[str]:
    """The values of a filter that every server knows, and that begin so."""
    match key:
        case "has":
            return list(beginning((*HAS, TEXT), typed))
        case "color" | "colour":
            return list(beginning(ALL_NAMES if typed else NAMES, typed))
        case _:
            return ()


def beginning(names: Iterable[str], typed: str) -> Iterator[str]:
    """The names that begin so, letter case aside, in their order."""
    wanted = typed.casefold()
    return (name for name in names if name.casefold().startswith(wanted))


def matching(names: Iterable[str], typed: str) -> list[str]:
    """The names that begin so, then those of which another word begins so, each in the order of the alphabet."""
    wanted = typed.casefold()
    first, second = [], []
    for name in sorted(set(names), key=lambda name: (name.casefold(), name)):
        folded = name.casefold()
        if folded.startswith(wanted):
            first.append(name)
        elif any(f"{between}{wanted}" in folded for between in " -_"):
            second.append(name)
    return [*first, *second]


def _says(written: str, value: str) -> bool:
    """Whether the grammar reads exactly this value."""
    try:
        wish = parse(written, 0)
    except TellPerson:
        return False
    if wish.words or len(wish.channels) + len(wish.authors) > 1:
        return False
    return all(
        found.id is None and found.name == value.removeprefix(mark)
        for mark, references in (("#", wish.channels), ("@", wish.authors))
        for found in references
    )
