"""The seams: what the indexer needs from outside, as Protocols."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from enum import IntEnum
from typing import Protocol

from indexer.model import (
    Channel,
    ChannelId,
    Guild,
    GuildId,
    Message,
    MessageId,
    ModelSpec,
    Pixels,
    PixelSpec,
    Vectors,
)


class Priority(IntEnum):
    """Lower goes first: a member who waits overtakes indexing between two batches."""

    QUERY = 0
    INDEXING = 1


class Encoder(Protocol):
    """Pixels or words → vectors. Safe to call from many tasks; batches by itself; never blocks the loop."""

    @property
    def spec(self) -> ModelSpec: ...

    @property
    def pixel_spec(self) -> PixelSpec: ...

    async def encode_pixels(self, frames: Sequence[Pixels], priority: Priority = Priority.INDEXING) -> Vectors:
        """[n, d] float32 of unit length, one row for each [size, size, 3] uint8 frame, in order."""
        ...

    async def encode_words(self, texts: Sequence[str], priority: Priority = Priority.QUERY) -> Vectors:
        """[n, d] float32 of unit length, one row a text, in order. Text beyond the model's context is cut."""
        ...


class History(Protocol):
    """Where messages come from: Discord, or an archive.

    Every method raises RetryLater for a passing fault and ChannelClosed where access is missing or lost.
    """

    async def guild(self, guild_id: GuildId) -> Guild: ...

    def channels(self, guild_id: GuildId) -> AsyncIterator[Channel]:
        """Every channel and thread (archived ones too) whose history the bot may read now, parents before threads."""
        ...

    async def page(
        self, channel_id: ChannelId, *, before: MessageId | None = None, after: MessageId | None = None
    ) -> Sequence[Message]:
        """Up to `PAGE` messages, newest first: those just older than `before`, or just newer than `after` (not both).

        Fewer than PAGE messages means the end on that side.
        """
        ...

    async def message(self, channel_id: ChannelId, message_id: MessageId) -> Message | None:
        """The message as it is now, with fresh links; None when it is gone."""
        ...


# Discord's largest page of history (`limit` 1–100 of GET /channels/{id}/messages).
PAGE = 100
