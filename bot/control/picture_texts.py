"""`ocr` and `captions`: how far the reading and the describing of pictures is, which channels come first, and what is
made anew.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

from bot.control.handler import Handler, Tell, Values
from bot.control.question import channels_named, where
from indexer.errors import TellPerson
from indexer.picture_texts.requests import TextRequests
from indexer.query.grammar import reference
from indexer.reports.reports import Reports


class Store(Protocol):
    """What the operations need: the running service, and a data folder that a command has opened."""

    @property
    def ocr(self) -> TextRequests: ...

    @property
    def captions(self) -> TextRequests: ...

    @property
    def reports(self) -> Reports: ...


def picture_texts(store: Store) -> dict[str, Handler]:
    """The operations on this store."""
    return {
        "ocr": partial(_carry_out, store.reports, store.ocr),
        "captions": partial(_carry_out, store.reports, store.captions),
    }


async def _carry_out(reports: Reports, requests: TextRequests, values: Values, tell: Tell) -> Values:
    """The pictures of `channels` (names or ids) in `guild`, or of all its channels, are read first from now on.
    `again`: those are read anew, without channels and guild all. Then the counts, and whether reading is `enabled`.

    Raises TellPerson for a channel that is not there, RetryLater.
    """
    names: Any = values.get("channels") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TellPerson("cli-needs", name="channels")
    channels = None
    if names or values.get("guild") is not None:
        place = await where(reports, values.get("guild"))
        channels = channels_named([reference(name, "#") for name in names], place.channels)
        channels = channels or frozenset(channel.id for channel in place.channels)
    if values.get("again") is True:
        await requests.again(channels)
    if channels:
        await requests.first(channels)
    return {**await requests.counts(), "enabled": requests.enabled}


def ocr_text(counts: Values) -> str:
    """One line."""
    return (
        f"pictures read for words: {_done(counts)}, {counts['with_text']:,} of them with words;"
        f" could not be read: {counts['failed']:,}; left: {counts['left']:,}"
    )


def captions_text(counts: Values) -> str:
    """One line."""
    return (
        f"pictures described: {_done(counts)}, {counts['with_text']:,} of them with a caption;"
        f" could not be described: {counts['failed']:,}; left: {counts['left']:,}"
    )


def _done(counts: Values) -> str:
    done = counts["read"] + counts["failed"]
    share = f" ({100 * done // (done + counts['left'])} %)" if done + counts["left"] else ""
    return f"{counts['read']:,}{share}"
