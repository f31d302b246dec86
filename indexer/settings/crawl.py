"""`[crawl]`: how history is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from indexer.settings.about import About

Keep = Literal["pictures", "all"]  # which messages are stored: see CrawlSettings.messages


@dataclass(frozen=True, slots=True)
class CrawlSettings:
    """How history is read."""

    start: Annotated[
        str,
        About(
            "manual: nothing is read until someone with Manage Server gives /reindex start; auto: at once.",
            choices=("manual", "auto"),
        ),
    ] = "manual"
    messages: Annotated[
        str,
        About(
            "pictures: only messages that show pictures are stored; all: every message's text too, for word search.",
            choices=("pictures", "all"),
        ),
    ] = "pictures"
    concurrency: Annotated[int, About("Channels read at once, over all servers.", "channels", low=1, high=64)] = 4
    stickers: Annotated[bool, About("Index stickers too.")] = False
    bots: Annotated[
        bool,
        About(
            "Index what other bots and webhooks post; false also removes what was indexed of them. This bot's own"
            " messages are never indexed."
        ),
    ] = True
    use_search: Annotated[
        bool,
        About(
            "Find pictures by Discord's own search in channels where few messages show any: several times fewer"
            " requests, checked against samples of the history."
        ),
    ] = True
    sweep_per_minute: Annotated[
        float,
        About(
            "Pages of history looked at again to find what was deleted or edited while the bot was away; 0: never.",
            "requests a minute",
            low=0,
            high=300,
        ),
    ] = 6.0
    sweep_again_days: Annotated[float, About("How long a message counts as checked.", "days", low=0.01, high=365)] = 7.0

    @property
    def keep(self) -> Keep:
        return "all" if self.messages == "all" else "pictures"
