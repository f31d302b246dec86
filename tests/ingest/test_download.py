"""What is recorded of a picture that could not be had: the reason that is true."""

from __future__ import annotations

import pytest

from indexer.errors import ChannelGone, ReadersBusy, Reason, Rejected, RetryLater
from indexer.ingest.download import failure_of


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Rejected(Reason.CORRUPT), Reason.CORRUPT),
        (ChannelGone("channel-gone"), Reason.FORBIDDEN),
        (ReadersBusy("too many wait"), Reason.READERS_BUSY),
        (RetryLater("the CDN is away"), Reason.UNREACHABLE),
        (ValueError("a fault of ours"), Reason.INTERNAL),
    ],
)
def test_each_fault_is_recorded_as_what_it_is(error: Exception, reason: Reason) -> None:
    assert failure_of(error) is reason
