"""Archives: what lies in the folder for them, imports, and uploads."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from bot.web.api.models.fields import Id
from indexer.imports.archive_folder import MOST_PAGES

FolderPath = Annotated[
    str, Meta(max_length=4000, description="From the folder of `web.archives` on, with slashes. Empty: that folder.")
]
MOST_PARTS = 5000  # of a file: their checksums fit into the body of a request
Checksum = Annotated[str, Meta(pattern="^[0-9a-f]{8}$", description="CRC-32 of the part, as 8 hexadecimal digits.")]


class PathQuery(Struct, forbid_unknown_fields=True):
    """A page of a folder."""

    path: FolderPath = ""
    page: Annotated[int, Meta(ge=1, le=MOST_PAGES)] = 1


class FolderEntry(Struct):
    """A file or folder. `bytes` of a folder is 0."""

    name: str
    folder: bool
    bytes: int
    changed_ms: int


class FolderListing(Struct):
    """A thousand a page, folders first, by name. `uploads`: bytes that may be uploaded, 0: none."""

    path: str
    entries: list[FolderEntry]
    page: int
    more: bool
    uploads: int


class NewImport(Struct, forbid_unknown_fields=True):
    """What to import. `name`: a folder of pictures, as a collection of this name. `dry_run`: only say what is in it.

    `confirm`: how many messages here a bundle may delete; it needs that where its `bundle.asks` is true.
    """

    path: FolderPath
    name: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    dry_run: bool = False
    confirm: Annotated[int, Meta(ge=0)] | None = None


class ImportedGuild(Struct):
    """What an archive holds of a server. `job`: the number of the job that reads it, null: none does."""

    id: Id
    name: str
    channels: int
    messages: int
    pictures: int
    saved: int
    missing: int
    refused: int
    live: int
    dead: int
    elsewhere: int
    job: int | None


class ImportedBundle(Struct):
    """What a bundle brings, or would bring. `messages`, `pictures` and `embeddings` are new here; of `known` messages
    `updated` are of an older version here, `refused` ones stay out. `opt_outs` and `deletions` come along, and for them
    `deleted` messages go here. `skipped`: collections that cannot come in.

    `asks`: it may delete or replace what is stored, and is imported only with its `deleted` as `confirm`.
    """

    created_ms: int
    messages: int
    known: int
    updated: int
    refused: int
    pictures: int
    embeddings: int
    opt_outs: int
    deletions: int
    deleted: int
    skipped: list[str]
    asks: bool


class ImportProblem(Struct):
    """What could not be read: the file, where in it (a byte, null: all of it), and why."""

    file: str
    offset: int | None
    text: str


class ImportInfo(Struct):
    """An import. While it is `looking`, `looked_bytes` of `total_bytes` were looked through (0: not known).

    `collection`: it is a folder of pictures. `reason` says why it failed. Of a bundle, `done` of `total` of a `step`
    are done (null: not known), and its rows come in while it is `storing`.
    """

    id: int
    path: str
    name: str | None
    dry_run: bool
    began_ms: int
    state: Literal["looking", "storing", "done", "failed"]
    looked_bytes: int
    total_bytes: int
    step: str
    done: int
    total: int | None
    bundle: ImportedBundle | None
    collection: bool
    guilds: list[ImportedGuild]
    problems: list[ImportProblem]
    problem_count: int
    reason: str


class ImportList(Struct):
    """The newest imports since the bot has started."""

    imports: list[ImportInfo]


class NewUpload(Struct, forbid_unknown_fields=True):
    """A file to come: its name in the folder of `web.archives`, and its size."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    bytes: Annotated[int, Meta(ge=1, le=2**53)]


class PartQuery(Struct, forbid_unknown_fields=True):
    """What the part must be."""

    crc32: Checksum


class FinishUpload(Struct, forbid_unknown_fields=True):
    """`crc32`: of each part of your file, in their order. Parts of another file of the same name are noticed by it."""

    crc32: Annotated[list[Checksum], Meta(min_length=1, max_length=MOST_PARTS)]


class UploadedPart(Struct):
    """A part that came, and its CRC-32."""

    part: int
    crc32: Checksum


class UploadInfo(Struct):
    """A file that comes in parts of `part_bytes`, the last one shorter, numbered from 0. `there`: those that came."""

    id: Id
    name: str
    bytes: int
    part_bytes: int
    parts: int
    there: list[UploadedPart]


class UploadList(Struct):
    """The files that come now."""

    uploads: list[UploadInfo]
