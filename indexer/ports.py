"""What the indexer needs from outside, as Protocols."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol, runtime_checkable

from indexer.records.ids import ChannelId, GuildId, MessageId, UserId
from indexer.records.messages import Channel, Guild, Message, PictureRef
from indexer.records.pictures import Features, ModelSpec, Pixels, PixelSpec, Scores, Vectors


class Priority(IntEnum):
    """The lower value is served first: between two batches, a member's query goes before indexing."""

    QUERY = 0
    INDEXING = 1


class Encoder(Protocol):
    """Pixels or words → vectors. Many tasks may call it at once. It makes batches itself and never blocks the loop."""

    @property
    def spec(self) -> ModelSpec: ...

    @property
    def pixel_spec(self) -> PixelSpec: ...

    @property
    def awake(self) -> bool:
        """Whether the model is loaded: a question then waits for no more than its turn."""
        ...

    async def encode_pixels(self, frames: Sequence[Pixels], priority: Priority = Priority.INDEXING) -> Vectors:
        """[n, d] float32 of unit length, one row for each [size, size, 3] uint8 frame, in order."""
        ...

    async def encode_words(self, texts: Sequence[str], priority: Priority = Priority.QUERY) -> Vectors:
        """[n, d] float32 of unit length, one row a text, in order. Text beyond the model's context is cut."""
        ...


class Reranker(Protocol):
    """A second model, which scores what a search has found anew. Many tasks may call it at once.

    It works in two steps. Of a picture it makes features, which do not depend on the question, so they can be kept.
    Then it scores features against a question. What they hold is its own affair: the vector of a CLIP, or the tokens
    (or the pixels) of a picture that a cross-encoder reads together with the words. A higher score is a better fit.
    Only scores of one question can be compared.

    Every method raises Rejected for what the model cannot work on, NoMemory where it has none for so many pictures, and
    RetryLater where it is away.
    """

    @property
    def spec(self) -> ModelSpec:
        """`dimension` is the number of values in a picture's features."""
        ...

    @property
    def pixel_spec(self) -> PixelSpec: ...

    @property
    def pid(self) -> int | None:
        """The id of the model's process; None where it has none of its own now."""
        ...

    async def features(self, frames: Sequence[Pixels]) -> Features:
        """[n, dimension] float16, one row for each [size, size, 3] uint8 frame, in order."""
        ...

    async def learn(self, asker: UserId | None, texts: Sequence[str]) -> None:
        """Does what can be done for many texts at once, so that `words_scores` need not do it for each."""
        ...

    async def words_scores(self, asker: UserId | None, words: str, features: Features) -> Scores:
        """How well pictures ([n, dimension]) show what the words say. Nothing is remembered for another asker."""
        ...

    async def picture_scores(self, asked: Features, features: Features) -> Scores:
        """How alike pictures ([n, dimension]) are to the one with the features `asked` ([dimension])."""
        ...


class History(Protocol):
    """Where messages come from: Discord, or an archive.

    Every method raises RetryLater for a temporary fault and ChannelClosed where access is missing or lost. The parser
    marks messages that must not be stored (see `Message.ignored`).
    """

    async def guild(self, guild_id: GuildId) -> Guild: ...

    def channels(self, guild_id: GuildId) -> AsyncIterator[Channel]:
        """Every channel and thread (archived ones too) whose history may be read now, parents before threads."""
        ...

    async def page(
        self, channel_id: ChannelId, *, before: MessageId | None = None, after: MessageId | None = None
    ) -> Sequence[Message]:
        """Up to `PAGE` messages, newest first: those just older than `before`, or just newer than `after` (not both).

        A page with fewer messages is the last one on that side. An archive's pages have its own `page_size`.
        """
        ...

    async def message(self, channel_id: ChannelId, message_id: MessageId) -> Message | None:
        """The message as it is now, with fresh links. None when it was deleted."""
        ...


@runtime_checkable
class Archive(History, Protocol):
    """A History on the disk that does not change while it is read."""

    @property
    def page_size(self) -> int:
        """How many messages a full page has. A page is one transaction, so it has a few thousand messages at most."""
        ...

    @property
    def written_ms(self) -> int:
        """When it was written (Unix milliseconds). Its content was true at that time."""
        ...

    async def picture(self, ref: PictureRef) -> bytes | None:
        """The bytes of a picture of one of its messages. None where it has only the link.

        Raises Rejected for a file that must not or cannot be read. Raises LinkExpired where it has no file and the link
        is known to be dead, so that no request is made for it.
        """
        ...


@runtime_checkable
class Mirror(Archive, Protocol):
    """An archive that is the only truth of its guild: what it does not have any more is deleted after it was read."""

    @property
    def vanished(self) -> Sequence[MessageId]:
        """The stored messages that it does not have any more."""
        ...

    @property
    def unreadable(self) -> Sequence[str]:
        """Paths below which it could not look: what is stored of files there stays."""
        ...


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One answer of a server's own search: messages of one channel, newest first.

    `total` counts the matches that are left, including these. `lowest` is the oldest match of the page, in any channel;
    the next page is older than it. None: the page is empty. A short page need not be the last one.
    """

    messages: tuple[Message, ...]
    total: int
    lowest: MessageId | None


@runtime_checkable
class SearchableHistory(Protocol):
    """A History that can also be searched for messages that have a certain kind of content."""

    async def search(
        self,
        guild_id: GuildId,
        channel_id: ChannelId | None,
        *,
        has: Sequence[str] = (),
        before: MessageId | None = None,
        limit: int = 25,
    ) -> SearchPage | None:
        """Up to `limit` (≤ 25) messages older than `before` that have all of `has` (Discord's words: "image", "-file").

        `channel_id` None: of the whole guild. Returns None where search is not available now (its index is being built,
        or the bot may not use it): then read the history. An answer does not prove that no other match exists. Raises
        RetryLater.
        """
        ...


# Discord's largest page of history (`limit` 1–100 of GET /channels/{id}/messages).
PAGE = 100
