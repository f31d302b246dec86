"""`ocr`: how far the reading of words is, which channels come first, and what is read anew."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

from bot.control.operations import Handler, Tell, Values
from bot.control.question import channels_named, where
from indexer.errors import TellPerson
from indexer.ocr.requests import OcrRequests
from indexer.query.grammar import reference
from indexer.reports.reports import Reports


class Store(Protocol):
    """What the operation needs: the running service, and a data folder that a command has opened."""

    @property
    def ocr(self) -> OcrRequests: ...

    @property
    def reports(self) -> Reports: ...


def ocr(store: Store) -> dict[str, Handler]:
    """The operation on this store."""
    return {"ocr": partial(_ocr, store)}


async def _ocr(store: Store, values: Values, tell: Tell) -> Values:
    """The pictures of `channels` (names or ids) in `guild`, or of all its channels, are read first from now on.
    `again`: those are read anew, without channels and guild all. Then the counts, and whether reading is `enabled`.

    Raises TellPerson for a channel that is not there, RetryLater.
    """
    names: Any = values.get("channels") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TellPerson("cli-needs", name="channels")
    channels = None
    if names or values.get("guild") is not None:
        place = await where(store.reports, values.get("guild"))
        channels = channels_named([reference(name, "#") for name in names], place.channels)
        channels = channels or frozenset(channel.id for channel in place.channels)
    if values.get("again") is True:
        await store.ocr.again(channels)
    if channels:
        await store.ocr.first(channels)
    return {**await store.ocr.counts(), "enabled": store.ocr.enabled}


def counts_text(counts: Values) -> str:
    """One line."""
    done = counts["read"] + counts["failed"]
    share = f" ({100 * done // (done + counts['left'])} %)" if done + counts["left"] else ""
    return (
        f"pictures read for words: {counts['read']:,}{share}, {counts['with_text']:,} of them with words;"
        f" could not be read: {counts['failed']:,}; left: {counts['left']:,}"
    )
