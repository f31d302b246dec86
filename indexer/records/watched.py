"""Pictures that managers watch for, and what was found of them."""

from __future__ import annotations

from dataclasses import dataclass

from indexer.records.copies import Copy
from indexer.records.hits import Band, Place
from indexer.records.ids import ChannelId, MessageId, UserId
from indexer.records.saved_searches import AskedPicture


@dataclass(frozen=True, slots=True)
class Watch:
    """How a picture is watched for: in messages with an id beyond `after_id`. `channel_id` is told.

    `alike`: pictures that are only very similar count too.
    """

    added_by: UserId
    after_id: MessageId
    channel_id: ChannelId
    alike: bool


@dataclass(frozen=True, slots=True, eq=False)
class WatchedPicture:
    """`place`: where a message shows it; None where it was uploaded: then there is a `small_copy` (WebP).

    `picture` is None where the picture of a message is not embedded by the model that was asked for.
    """

    watch_id: int
    watch: Watch
    place: Place | None
    picture: AskedPicture | None
    small_copy: bytes = b""


@dataclass(frozen=True, slots=True)
class WatchedMatch:
    """A new place that shows a watched picture. `copy`: what was done to it, where the pixels were compared."""

    watch_id: int
    place: Place
    band: Band
    copy: Copy | None = None
