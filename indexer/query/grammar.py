"""The one query language of bot and command line: text in, what was asked for out. Pure.

    cat in the rain -dog "birthday party" in:#memes from:@anna after:2024-05-01 before:"3 weeks ago" has:gif count:10

Words say what to look for; `-word` and `-"two words"` what must not be there; words in quotes must stand in the
message's text, file name or alt text, or in the picture itself. `in: from: after: before: has: count: min:` narrow
the search, `weight:` sets pictures against words, `diverse:` asks for variety; a value with spaces stands in quotes,
a space after the colon is allowed. in:, from: and has: may be repeated (any of the channels, any of the authors, all
of the properties). A backslash before a word takes its meaning away: `\\-5` looks for "-5".

    camera:"EOS 5D" lens:50mm near:48.1,11.6,5km

These three search what the files of a collection say. They may be repeated, too: any of the cameras, of the lenses, of
the places.

    tag:holiday -tag:"work trip"

Only pictures that have all of these tags, and none of those.

    color:red color:#aa3311

Only pictures that show all of these colours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from indexer.errors import TellPerson
from indexer.query.colour_names import colour
from indexer.query.date_parser import parse_date
from indexer.query.tag_names import tag_name
from indexer.records.colours import Colour
from indexer.records.exif import ExifFilter, Near, Position
from indexer.records.messages import NO_FLAGS, PlaceFlag

# Discord's own limit of a string option is 6,000; no sentence that describes a picture needs more than this.
MAX_CHARACTERS = 1_000

HAS: dict[str, PlaceFlag] = {
    "gif": PlaceFlag.ANIMATED,
    "animation": PlaceFlag.ANIMATED,
    "spoiler": PlaceFlag.SPOILER,
    "forward": PlaceFlag.FORWARDED,
    "embed": PlaceFlag.EMBEDDED,
    "sticker": PlaceFlag.STICKER,
    "video": PlaceFlag.VIDEO,
}
TEXT = "text"  # beside those: words were read in the picture
EXCLUDABLE = ("in", "has", "tag")  # a minus may stand before these filters
_KEYS = (
    *("in", "from", "after", "before", "has", "count", "min", "weight", "diverse", "camera", "lens", "near", "tag"),
    *("color", "colour"),
)
CLOSING_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "”": "”"}
_MENTION = re.compile(r"<(#|@!?|@&)(\d{1,20})>")
_NEAR = re.compile(r"(-?\d{1,2}(?:\.\d+)?),(-?\d{1,3}(?:\.\d+)?),(\d{1,5}(?:\.\d+)?)(km|m)", re.IGNORECASE)
_KEYED = re.compile(rf"({'|'.join(_KEYS)}):(.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reference:
    """A channel or member as it was named: by id, or by a name without `#` or `@`."""

    id: int | None
    name: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What a text asks for. `words` are for the model (quoted ones included), `phrases` those that stood in quotes.

    `weight` is that of the pictures against the words, `diversity` as in Query, both 0–1. `text` as in Filter.
    """

    words: str = ""
    phrases: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    channels: tuple[Reference, ...] = ()
    not_channels: tuple[Reference, ...] = ()
    authors: tuple[Reference, ...] = ()
    after_ms: int | None = None
    before_ms: int | None = None
    require: PlaceFlag = NO_FLAGS
    exclude: PlaceFlag = NO_FLAGS
    count: int | None = None
    min_score: float | None = None
    weight: float | None = None
    diversity: float | None = None
    exif: ExifFilter | None = None
    tags: tuple[str, ...] = ()
    not_tags: tuple[str, ...] = ()
    colours: tuple[Colour, ...] = ()
    text: bool | None = None

    @property
    def has_filters(self) -> bool:
        """Whether it says which messages may be shown at all: with nothing else, those are listed."""
        kept = (self.channels, self.not_channels, self.authors, self.require, self.exclude, self.exif)
        return (
            any((*kept, self.tags, self.not_tags, self.colours))
            or self.after_ms is not None
            or self.before_ms is not None
            or self.text is not None
        )


@dataclass(frozen=True, slots=True)
class Token:
    """`minus` stood before it, `key` is one of _KEYS or empty, `quoted` says that the value stood in quotes.

    It stands in `start` ≤ position < `end` of the text. `unclosed`: its quotes have no end. `plain`: a backslash took
    its meaning away.
    """

    text: str
    key: str = ""
    minus: bool = False
    quoted: bool = False
    start: int = 0
    end: int = 0
    unclosed: bool = False
    plain: bool = False


def parse(text: str, now_ms: int) -> Wish:
    """Raises TellPerson, in one sentence with the way out, where the text cannot mean what it says."""
    if len(text) > MAX_CHARACTERS:
        raise TellPerson("grammar-too-long", characters=len(text), most=MAX_CHARACTERS)
    words: list[str] = []
    phrases: list[str] = []
    without: list[str] = []
    keyed: list[Token] = []
    for token in _tokens(text):
        if token.key:
            keyed.append(token)
        elif token.minus:
            without.append(token.text)
        else:
            words.append(token.text)
            if token.quoted:
                phrases.append(token.text)
    return _with_filters(Wish(" ".join(words), tuple(phrases), tuple(without)), keyed, now_ms)


def _with_filters(wish: Wish, keyed: list[Token], now_ms: int) -> Wish:
    channels: dict[bool, list[Reference]] = {False: [], True: []}
    authors: list[Reference] = []
    flags = {False: NO_FLAGS, True: NO_FLAGS}
    cameras: list[str] = []
    lenses: list[str] = []
    near: list[Near] = []
    tags: dict[bool, list[str]] = {False: [], True: []}
    colours: dict[str, Colour] = {}
    has_text: set[bool] = set()
    once: dict[str, Token] = {}
    for token in keyed:
        if token.minus and token.key not in EXCLUDABLE:
            raise TellPerson("grammar-not-excluded", filter=token.key)
        match token.key:
            case "in":
                channels[token.minus].append(reference(token.text, "#"))
            case "from":
                authors.append(reference(token.text, "@"))
            case "has" if _property(token.text) == TEXT:
                has_text.add(not token.minus)
            case "has":
                flags[token.minus] |= _flag(token.text)
            case "camera":
                cameras.append(token.text)
            case "lens":
                lenses.append(token.text)
            case "near":
                near.append(_near(token.text))
            case "tag":
                tags[token.minus].append(tag_name(token.text))
            case "color" | "colour":
                asked = colour(token.text)
                colours[asked.name] = asked
            case _:
                if token.key in once:
                    raise TellPerson("grammar-twice", filter=token.key)
                once[token.key] = token
    if both := flags[False] & flags[True]:
        raise TellPerson("grammar-both", property=_name(both))
    if len(has_text) > 1:
        raise TellPerson("grammar-both", property=TEXT)
    if contradicted := set(tags[False]) & set(tags[True]):
        raise TellPerson("grammar-both-tags", tag=min(contradicted))
    after = parse_date(once["after"].text, now_ms) if "after" in once else None
    before = parse_date(once["before"].text, now_ms) if "before" in once else None
    if after is not None and before is not None and after >= before:
        raise TellPerson("grammar-swapped")
    return Wish(
        wish.words,
        wish.phrases,
        wish.without,
        tuple(channels[False]),
        tuple(channels[True]),
        tuple(authors),
        after,
        before,
        flags[False],
        flags[True],
        count_of(once["count"].text) if "count" in once else None,
        _share(once["min"], -1.0) if "min" in once else None,
        _share(once["weight"], 0.0) if "weight" in once else None,
        _share(once["diverse"], 0.0) if "diverse" in once else None,
        ExifFilter(tuple(cameras), tuple(lenses), tuple(near)) if cameras or lenses or near else None,
        tuple(tags[False]),
        tuple(tags[True]),
        tuple(colours[name] for name in sorted(colours)),
        has_text.pop() if has_text else None,
    )


def reference(text: str, mark: str) -> Reference:
    """A channel (`mark` "#") or member ("@") from a mention, an id or a name. Raises TellPerson for another mention."""
    if match := _MENTION.fullmatch(text):
        if not match[1].startswith(mark) or match[1] == "@&":
            raise TellPerson("grammar-no-channel" if mark == "#" else "grammar-no-member", text=text)
        return Reference(int(match[2]), "")
    name = text.removeprefix(mark)
    if name.isascii() and name.isdigit() and 15 <= len(name) <= 20:
        return Reference(int(name), "")
    if not name:
        raise TellPerson("grammar-empty-channel" if mark == "#" else "grammar-empty-member")
    return Reference(None, name)


def _tokens(text: str) -> Iterator[Token]:
    """Reads left to right; a key without a value takes the next token for it."""
    waiting: Token | None = None
    for token in raw_tokens(text):
        if not (token.text or token.key):  # quotes with nothing in them
            continue
        if waiting is not None:
            if token.key or token.minus:
                raise TellPerson("grammar-no-value", filter=waiting.key)
            yield Token(token.text, waiting.key, waiting.minus, token.quoted)
            waiting = None
        elif token.key and not token.text:
            waiting = token
        elif token.text:
            yield token
    if waiting is not None:
        raise TellPerson("grammar-no-value", filter=waiting.key)


def raw_tokens(text: str) -> Iterator[Token]:
    """What stands between the spaces, from left to right, before a value is given to its key."""
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        start = at
        minus = text[at] in "-–−" and at + 1 < len(text) and not text[at + 1].isspace()
        if minus:
            at += 1
        if text[at] in CLOSING_QUOTES:
            inner, at, unclosed = _quoted(text, at)
            if inner or unclosed:
                yield Token(inner, "", minus, True, start, at, unclosed)
            continue
        end = at
        while (
            end < len(text) and not text[end].isspace() and not (text[end] in CLOSING_QUOTES and text[end - 1] == ":")
        ):
            end += 1
        word, at = text[at:end], end
        if word.startswith("\\") and not minus:
            yield Token(word[1:], start=start, end=end, plain=True)
            continue
        match = _KEYED.fullmatch(word)
        if match is None:
            if word.strip("-–−"):
                yield Token(word, minus=minus, start=start, end=end)
        elif at < len(text) and text[at] in CLOSING_QUOTES and not match[2]:
            inner, at, unclosed = _quoted(text, at)
            yield Token(inner, match[1].lower(), minus, True, start, at, unclosed)
        else:
            yield Token(match[2], match[1].lower(), minus, start=start, end=end)


def _quoted(text: str, at: int) -> tuple[str, int, bool]:
    """What stands in the quotes that open at `at`, where it goes on, and whether nothing closes them."""
    end = text.find(CLOSING_QUOTES[text[at]], at + 1)
    unclosed = end < 0
    if unclosed:
        end = len(text)
    return " ".join(text[at + 1 : end].split()), min(end + 1, len(text)), unclosed


def _flag(text: str) -> PlaceFlag:
    name = _property(text)
    if name not in HAS:
        raise TellPerson("grammar-unknown-property", text=text, known=", ".join((*HAS, TEXT)))
    return HAS[name]


def _property(text: str) -> str:
    """The value of has: in the singular."""
    name = text.lower()
    return name if name in HAS else name.removesuffix("s")


def _near(text: str) -> Near:
    """Latitude, longitude and distance: 48.1,11.6,5km or -33.9,18.4,800m."""
    found = _NEAR.fullmatch(text.replace(" ", ""))
    if found is None:
        raise TellPerson("grammar-near", text=text)
    position = Position(float(found[1]), float(found[2]))
    km = float(found[3]) / (1000 if found[4].lower() == "m" else 1)
    if abs(position.latitude) > 90 or abs(position.longitude) > 180 or not km:
        raise TellPerson("grammar-near", text=text)
    return Near(position, km)


def _name(flag: PlaceFlag) -> str:
    return next(name for name, known in HAS.items() if known & flag)


def count_of(text: str) -> int:
    """How many hits are asked for. Raises TellPerson for what is no whole number from 1 on."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 1_000_000):
        raise TellPerson("grammar-count", text=text)
    return int(text)


def _share(token: Token, least: float) -> float:
    """0.8, 0,8 or 80%, from `least` to 1."""
    plain = token.text.replace(",", ".")
    try:
        value = float(plain.removesuffix("%")) / (100 if plain.endswith("%") else 1)
    except ValueError:
        value = float("nan")
    if not least <= value <= 1:
        raise TellPerson("grammar-number", filter=token.key, text=token.text)
    return value
