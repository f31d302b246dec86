"""The parameters of a search: every parameter that Discord describes, parsed, and compared with a message."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urlsplit

from sandbox.errors import Invalid
from sandbox.rest.call import Call, snowflake
from sandbox.wire import Json
from sandbox.world import Embed, Message

HAS: Final = ("link", "embed", "file", "image", "video", "sound", "sticker", "poll", "snapshot")
AUTHOR_TYPES: Final = ("user", "bot", "webhook")
EMBED_TYPES: Final = ("image", "video", "gif", "sound", "article")
_MOST_VALUES: Final = 100
_MOST_CHANNELS: Final = 500
_SLOP: Final = 2  # words that may stand between the searched words
_WORD: Final = re.compile(r"\w+")
_LINK: Final = re.compile(r"https?://[^\s<>]+")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A search. Lists hold what the message must have one of (empty: anything); `has` what it must have all of."""

    limit: int
    offset: int
    low: int | None
    high: int | None
    channels: frozenset[int]
    adult: bool
    has: frozenset[str]
    words: tuple[str, ...]
    slop: int
    by_relevance: bool
    ascending: bool
    authors: frozenset[int]
    author_types: frozenset[str]
    mentions: frozenset[int]
    mentioned_roles: frozenset[int]
    mentions_everyone: bool | None
    replied_to_users: frozenset[int]
    replied_to_messages: frozenset[int]
    hosts: tuple[str, ...]
    providers: tuple[str, ...]
    embed_types: frozenset[str]
    extensions: tuple[str, ...]
    filenames: tuple[str, ...]
    pinned: bool | None

    @property
    def plain(self) -> bool:
        """Whether it has no condition that `matches` must check."""
        lists = (
            self.words, self.authors, self.author_types, self.mentions, self.mentioned_roles, self.replied_to_users,
            self.replied_to_messages, self.hosts, self.providers, self.embed_types, self.extensions, self.filenames,
        )  # fmt: skip
        return not any(lists) and self.mentions_everyone is None and self.pinned is None

    def matches(self, message: Message) -> bool:
        """Checks every condition except channel, ids and `has`, which an index answers."""
        mentioned: Json = message.mentions
        target = message.reply_to
        checks = (
            _any(self.authors, [message.author.id]),
            _signed(self.author_types, {"bot" if message.author.bot else "user"}),
            _any(self.mentions, mentioned.get("users", ())),
            _any(self.mentioned_roles, mentioned.get("roles", ())),
            self.mentions_everyone in (None, bool(mentioned.get("everyone"))),
            _any(self.replied_to_users, [target.author.id] if target else ()),
            _any(self.replied_to_messages, [target.id] if target else ()),
            _any(self.hosts, [urlsplit(link).hostname or "" for link in _LINK.findall(message.content)]),
            not self.providers,  # no embed of the sandbox names a provider
            _any(self.embed_types, _embed_types(message)),
            _any(self.extensions, [a.file.extension for a in message.attachments]),
            not self.filenames or any(part in name for name in _filenames(message) for part in self.filenames),
            self.pinned in (None, message.pinned),
        )  # fmt: skip
        return all(checks) and (not self.words or self.distance(message) is not None)

    def distance(self, message: Message) -> int | None:
        """How many other words stand between the searched words. None where they do not occur in that order."""
        text = _WORD.findall(message.content.lower())
        best: int | None = None
        for start, word in enumerate(text):
            if not self.words or word != self.words[0]:
                continue
            end = start
            for wanted in self.words[1:]:
                end = next((i for i in range(end + 1, len(text)) if text[i] == wanted), -1)
                if end < 0:
                    break
            between = end - start + 1 - len(self.words)
            if end >= start and between <= self.slop and (best is None or between < best):
                best = between
        return best


def parse(call: Call) -> SearchQuery:
    """The query of a request. Raises Invalid for a value that Discord does not accept."""
    _exclusive_choice(call, "sort_by", ("relevance", "timestamp"))
    _exclusive_choice(call, "sort_order", ("asc", "desc"))
    words = tuple(_WORD.findall((_text(call, "content", 1024)).lower()))
    return SearchQuery(
        limit=call.integer("limit", 25, 1, 25), offset=call.integer("offset", 0, 0, 9975),
        low=call.snowflake("min_id"), high=call.snowflake("max_id"),
        channels=_ids(call, "channel_id", _MOST_CHANNELS), adult=call.flag("include_nsfw"),
        has=_choices(call, "has", HAS), words=words, slop=call.integer("slop", _SLOP, 0, 100),
        by_relevance=call.text("sort_by") == "relevance" and bool(words),
        ascending=call.text("sort_order") == "asc",
        authors=_ids(call, "author_id"), author_types=_choices(call, "author_type", AUTHOR_TYPES),
        mentions=_ids(call, "mentions"), mentioned_roles=_ids(call, "mentions_role_id"),
        mentions_everyone=_boolean(call, "mention_everyone"),
        replied_to_users=_ids(call, "replied_to_user_id"), replied_to_messages=_ids(call, "replied_to_message_id"),
        hosts=_texts(call, "link_hostname", 256), providers=_texts(call, "embed_provider", 256),
        embed_types=_choices(call, "embed_type", EMBED_TYPES, negated=False),
        extensions=_texts(call, "attachment_extension", 256), filenames=_texts(call, "attachment_filename", 1024),
        pinned=_boolean(call, "pinned"),
    )  # fmt: skip


def _any(wanted: Iterable[T], found: Iterable[T]) -> bool:
    """Whether one of `wanted` was found. True if nothing is wanted."""
    asked = set(wanted)
    return not asked or bool(asked & set(found))


def _signed(wanted: frozenset[str], found: set[str]) -> bool:
    """Like `_any`; "-x" asks for what is not x."""
    unwanted = {value[1:] for value in wanted if value.startswith("-")}
    return _any({value for value in wanted if not value.startswith("-")}, found) and not unwanted & found


def _filenames(message: Message) -> list[str]:
    return [attachment.file.name.lower() for attachment in message.attachments]


def _embed_types(message: Message) -> list[str]:
    kinds = [embed.kind for embed in message.embeds if isinstance(embed, Embed)]
    return ["gif" if kind == "gifv" else kind for kind in kinds]


def _values(call: Call, name: str, most: int) -> list[str]:
    values = call.query.get(name, [])
    if len(values) > most:
        raise Invalid(name, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")
    if len(set(values)) < len(values):
        raise Invalid(name, "SET_TYPE_CONTAINS_DUPLICATES", "The items of this list must be unique.")
    return values


def _ids(call: Call, name: str, most: int = _MOST_VALUES) -> frozenset[int]:
    return frozenset(snowflake(value, name) for value in _values(call, name, most))


def _texts(call: Call, name: str, longest: int) -> tuple[str, ...]:
    values = _values(call, name, _MOST_VALUES)
    if any(len(value) > longest for value in values):
        raise Invalid(name, "BASE_TYPE_MAX_LENGTH", f"Must be {longest} or fewer in length.")
    return tuple(value.lower() for value in values)


def _text(call: Call, name: str, longest: int) -> str:
    value = call.text(name) or ""
    if len(value) > longest:
        raise Invalid(name, "BASE_TYPE_MAX_LENGTH", f"Must be {longest} or fewer in length.")
    return value


def _choices(call: Call, name: str, allowed: Sequence[str], *, negated: bool = True) -> frozenset[str]:
    values = _values(call, name, 2 * len(allowed))
    for value in values:
        if (value.removeprefix("-") if negated else value) not in allowed:
            raise Invalid(name, "BASE_TYPE_CHOICES", f"Value must be one of {tuple(allowed)}.")
    return frozenset(values)


def _exclusive_choice(call: Call, name: str, allowed: tuple[str, ...]) -> None:
    if call.text(name) not in (None, *allowed):
        raise Invalid(name, "BASE_TYPE_CHOICES", f"Value must be one of {allowed}.")


def _boolean(call: Call, name: str) -> bool | None:
    text = call.text(name)
    if text is None:
        return None
    if text.lower() not in ("true", "false", "1", "0"):
        raise Invalid(name, "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")
    return call.flag(name)
