"""What an export holds, counted while it is read for the first time: what `--dry-run` says."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from indexer.archives.expansion import Refused
from indexer.picture_links import DISCORD_HOSTS, expires_s, fetchable, is_discord_host
from indexer.records.ids import ChannelId, GuildId
from indexer.records.messages import Channel, Guild
from indexer.sentence import Sentence


@dataclass(slots=True)
class Counts:
    """Of one guild. A picture that several documents show counts in each of them.

    `saved`: pictures with a file; `missing`: files that are named and not there; `refused`: files that must not be
    opened. Of those without a file: `live` links of Discord's, `dead` ones (their `ex` has passed, or they have none),
    and links to `elsewhere`, which are never contacted.
    """

    messages: int = 0
    pictures: int = 0
    saved: int = 0
    missing: int = 0
    refused: int = 0
    live: int = 0
    dead: int = 0
    elsewhere: int = 0

    @property
    def reachable(self) -> int:
        """Pictures that can be read without asking Discord for anything new."""
        return self.saved + self.live


@dataclass(slots=True)
class Survey:
    """What an export says of each guild; `documents` counts the files that are exports."""

    guilds: dict[GuildId, Guild] = field(default_factory=dict)
    channels: dict[ChannelId, Channel] = field(default_factory=dict)
    counts: dict[GuildId, Counts] = field(default_factory=dict)
    documents: int = 0


class HasLabel(Protocol):
    """A file that is there; `label` is what a person sees."""

    @property
    def label(self) -> str: ...


class FindsMedia(Protocol):
    """Where saved files are looked up."""

    def named(self, path: str) -> HasLabel | None:
        """The file of a path. Raises Refused where it must not be opened."""
        ...

    def saved(self, url: str) -> HasLabel | None:
        """The saved file of an address."""
        ...


class Files:
    """Looks up the saved files of one document, and counts what it finds in `counts`, if any.

    `refused` is told of each file that must not be opened.
    """

    def __init__(
        self, media: FindsMedia, counts: Counts | None = None, refused: Callable[[str, Sentence], None] | None = None
    ) -> None:
        self._media = media
        self._counts = counts
        self._refused = refused
        self._now_s = time.time()

    def label(self, url: str) -> str | None:
        """Where the file is that an export names or has saved of an address; None where there is none."""
        counts = self._counts
        if counts is not None:
            counts.pictures += 1
        try:
            file = self._media.saved(url) if fetchable(url) else self._media.named(url)
        except Refused as error:
            if counts is not None:
                counts.refused += 1
            if self._refused is not None:
                self._refused(url, error.sentence)
            return None
        if counts is None:
            return None if file is None else file.label
        if file is not None:
            counts.saved += 1
            return file.label
        if not fetchable(url):
            counts.missing += 1
        elif not is_discord_host(urlsplit(url).hostname or ""):
            counts.elsewhere += 1
        elif is_dead(url, self._now_s):
            counts.dead += 1
        else:
            counts.live += 1
        return None


def is_dead(url: str, now_s: float) -> bool:
    """Whether Discord would refuse this link: its signature has run out, or an upload's link carries none."""
    expires = expires_s(url)
    if expires is not None:
        return expires <= now_s
    parts = urlsplit(url)
    return parts.hostname in DISCORD_HOSTS and "/attachments/" in parts.path
