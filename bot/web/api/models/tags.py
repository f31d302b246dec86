"""Tags of pictures, and deleting: what is asked, and what came of it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from bot.web.api.models.fields import Words
from indexer.query.tag_names import MOST_TAGS

TagName = Annotated[str, Meta(min_length=1, max_length=100, description="A tag; letter case does not matter.")]
TagNames = Annotated[list[TagName], Meta(max_length=MOST_TAGS)]
Confirmed = Annotated[
    int,
    Meta(ge=0, description="The number that the dry run gave. Without it nothing is changed: this is the dry run."),
]


class TagChange(Struct, forbid_unknown_fields=True):
    """Tags that a picture gets, and tags that it loses."""

    add: TagNames = field(default_factory=list)
    remove: TagNames = field(default_factory=list)


class PictureTags(Struct):
    """The tags of a picture in one message, in the order of the alphabet."""

    tags: list[str]


class BulkTags(Struct, forbid_unknown_fields=True):
    """What the pictures get and lose that `q` names: all that pass its filters, or the hits of its words.

    `confirm`: how many `pictures` the dry run counted.
    """

    q: Words
    add: TagNames = field(default_factory=list)
    remove: TagNames = field(default_factory=list)
    confirm: Confirmed | None = None


class BulkTagged(Struct):
    """`pictures` are meant. Of these so many `changed`; `full` ones would have too many tags. `done`: no dry run."""

    pictures: int
    changed: int
    full: int
    done: bool


class TagInfo(Struct):
    """A tag, and how many pictures of the server have it."""

    tag: str
    pictures: int


class TagList(Struct):
    """The tags of a server, the one with most pictures first."""

    tags: list[TagInfo]


class BulkDelete(Struct, forbid_unknown_fields=True):
    """The messages that `q` names: all that pass its filters, or those that show the hits of its words.

    `confirm`: how many `messages` the dry run counted.
    """

    q: Words
    confirm: Confirmed | None = None


class BulkDeleted(Struct):
    """`messages`, with so many `pictures`, are meant. So many were `deleted`. `done`: no dry run."""

    messages: int
    pictures: int
    deleted: int
    done: bool


class BulkUndelete(Struct, forbid_unknown_fields=True):
    """Where and when: in:, after: and before: alone. Empty: all of the server."""

    q: Words = ""


class BulkUndeleted(Struct):
    """How many messages may come back when Discord or an archive is read again."""

    messages: int
