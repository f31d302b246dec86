"""Found pictures: what is asked, and the answers."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from bot.web.api.models.fields import Id, Page, PerPage, Share, Words
from indexer.search.copies import THRESHOLD


class SearchQuery(Struct, forbid_unknown_fields=True):
    """A question, and the page of its answer."""

    q: Words = ""
    page: Page = 1
    per_page: PerPage = 20


class RandomQuery(Struct, forbid_unknown_fields=True):
    """Filters of the grammar; words have no effect."""

    q: Words = ""


class DuplicatesQuery(Struct, forbid_unknown_fields=True):
    """Filters of the grammar, how sure a copy must be, and the page."""

    q: Words = ""
    threshold: Annotated[float, Meta(ge=0.5, le=1)] = THRESHOLD
    page: Page = 1
    per_page: PerPage = 20


class Hit(Struct):
    """A picture in a message, as bot/replies/answer_json.py has it, with a path of its small copy.

    `band` says how close it is, `named` the same in words; `named` is empty and `score` null where nothing was
    compared. `link` opens the message in Discord; null where it is not Discord's. `path`: an archive's file.
    `kinds`: animated, spoiler, … `tags`: of this place. `at_ms`: which moment of an animation is meant, milliseconds
    from its start; null where there is no choice. `shown_elsewhere` counts other messages with the same picture.
    """

    place: Id
    thumbnail: str
    score: float | None
    band: str
    named: str
    explained: list[str]
    channel: str
    channel_id: Id
    message_id: Id
    author: str
    author_id: Id
    unix_ms: int
    posted: str
    link: str | None
    path: str | None
    file_name: str
    alt_text: str
    text: str
    width: int
    height: int
    kinds: list[str]
    tags: list[str]
    at_ms: int | None
    shown_elsewhere: int


class Reranked(Struct):
    """What the second model did: of how many `candidates` it has `scored` how many. `outcome`: done, partly, or why the
    order is the first model's (unseen, loading, weights, memory, deadline, failed); `note` says so in words.
    """

    model: str
    outcome: str
    candidates: int
    scored: int
    note: str


class Hits(Struct):
    """One page of an answer. `searched`: how many pictures were looked through. `more`: there is another page.
    `reranked` is null where there is no second model, or nothing to order.
    """

    hits: list[Hit]
    page: int
    more: bool
    searched: int
    floor: str
    took_ms: float
    reranked: Reranked | None = None


class RandomPicture(Struct):
    """`picture` is null where no picture passes the filters."""

    picture: Hit | None


class Repost(Hit):
    """A picture that was posted again.

    `copy`: it is the first post's picture ("same", also where the perceptual hashes are almost equal), a copy of it, as
    comparing their pixels has shown ("certain"), or was not compared with it ("likely"). `changes` says in words what
    was done to the copy.
    """

    copy: Literal["same", "certain", "likely"]
    changes: list[str]


class RepostGroup(Struct):
    """The same picture, posted more than once; `first` came first. `confidence` is that of the least certain copy.

    Of very many copies `others` names the first ones; `copies` counts all.
    """

    first: Hit
    others: list[Repost]
    copies: int
    confidence: Share


class RepostGroups(Struct):
    """One page of groups, the largest first. The newest `compared` of `total` pictures were compared."""

    groups: list[RepostGroup]
    page: int
    more: bool
    found: int
    compared: int
    total: int
