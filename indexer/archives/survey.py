"""What an export holds, counted while it is read for the first time: what `--dry-run` says."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from indexer.archives.expansion import Refused
from indexer.archives.exporter_message import is_discord
from indexer.archives.media import Media
from indexer.model import Channel, ChannelId, Guild, GuildId
from indexer.picture_links import expires_s, fetchable
from indexer.sentence import Sentence


@dataclass(slots=True)
class Survey:
    """Counts. A picture that several documents show counts in each of them.

    `saved`: pictures with a file; `missing`: files that are named and not there; `refused`: files that must not be
    opened. Of those without a file: `live` links of Discord's, `dead` ones (their `ex` has passed, or they have none),
    and links to `elsewhere`, which are never contacted.
    """

    guilds: dict[GuildId, Guild] = field(default_factory=dict)
    channels: dict[ChannelId, Channel] = field(default_factory=dict)
    documents: int = 0
    messages: int = 0
    pictures: int = 0
    saved: int = 0
    missing: int = 0
    refused: int = 0
    live: int = 0
    dead: int = 0
    elsewhere: int = 0
    by_channel: Counter[ChannelId] = field(default_factory=Counter)  # messages
    pictures_of: Counter[GuildId] = field(default_factory=Counter)


class Files:
    """Looks up the saved files of one document, and counts what it finds in `survey`, if any.

    `refused` is told of each file that must not be opened.
    """

    def __init__(
        self, media: Media, survey: Survey | None = None, refused: Callable[[str, Sentence], None] | None = None
    ) -> None:
        self._media = media
        self._survey = survey
        self._refused = refused
        self._now_s = time.time()

    def label(self, url: str) -> str | None:
        """Where the file is that an export names or has saved of an address; None where there is none."""
        survey = self._survey
        if survey is not None:
            survey.pictures += 1
        try:
            file = self._media.saved(url) if fetchable(url) else self._media.named(url)
        except Refused as error:
            if survey is not None:
                survey.refused += 1
            if self._refused is not None:
                self._refused(url, error.sentence)
            return None
        if survey is None:
            return None if file is None else file.label
        if file is not None:
            survey.saved += 1
            return file.label
        if not fetchable(url):
            survey.missing += 1
        elif not reaches_discord(url):
            survey.elsewhere += 1
        elif is_dead(url, self._now_s):
            survey.dead += 1
        else:
            survey.live += 1
        return None


def is_dead(url: str, now_s: float) -> bool:
    """Whether Discord would refuse this link: its signature has run out, or an upload's link carries none."""
    expires = expires_s(url)
    if expires is not None:
        return expires <= now_s
    return is_discord(url) and "/attachments/" in url


def reaches_discord(url: str) -> bool:
    """Whether it is one of Discord's hosts, its proxies for pictures elsewhere among them."""
    return is_discord(url) or ".discordapp.net/" in url.partition("?")[0]
