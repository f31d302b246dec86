"""`duplicates`: what was posted more than once, for whoever has the data folder."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.control.handler import Handler, Tell, Values
from bot.control.pictures import Pictures
from bot.control.question import filter_of, require_filters_only, where, wish_of
from bot.links import message_link
from bot.replies.answer_json import posted
from bot.replies.reposts import edit_texts, sureness
from bot.texts import Language
from indexer.errors import TellPerson
from indexer.hit_pictures import Shown
from indexer.long_work import AlreadyRunning, TooManyWaiting
from indexer.lru import LruCache
from indexer.records.hits import Filter, PlaceDetail
from indexer.records.ids import ChannelId, GuildId, PlaceId, snowflake_ms
from indexer.records.messages import PlaceFlag
from indexer.reports.reports import Reports
from indexer.search.copies import THRESHOLD
from indexer.search.reposts import Compared, RepostFinder, RepostGroup

OWNER = 0  # whose turn it is to compare: no member's
WAIT_S = 120.0  # comparing the most pictures takes a few seconds, and it waits for those of members
# A comparison serves the pages of one command; what is shown of it is looked up anew each time.
REMEMBERED, REMEMBERED_S = 4, 300.0
# One answer holds groups up to this size, and small copies for so many: the command asks again for the others.
PAGE_BYTES = 2 * 1024 * 1024
PAGE_COPIES = 60
MOST_POSTS = 200  # of one group that are listed
TEXT_CHARACTERS = 300  # of the first post


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The operation on this index. `opens`: its messages are Discord's, so that links to them open."""

    reports: Reports
    reposts: RepostFinder
    pictures: Pictures
    opens: bool
    _compared: LruCache[tuple[GuildId, Filter, float], Compared] = field(
        default_factory=lambda: LruCache(REMEMBERED, REMEMBERED_S)
    )

    def handlers(self) -> dict[str, Handler]:
        return {"duplicates": self.duplicates}

    async def duplicates(self, values: Values, tell: Tell) -> Values:
        """`words` (filters alone), `guild`, `threshold` (0.5–1), `skip` (groups), `count` (groups), `pictures` → what
        docs/schemas/duplicates.json describes: the largest groups first, after `skip` others, as many as fit.

        Raises TellPerson, RetryLater.
        """
        wish = wish_of(str(values.get("words", "")), values)
        require_filters_only(wish)
        threshold, skip = _threshold(values.get("threshold")), _skip(values.get("skip"))
        place = await where(self.reports, values.get("guild"))
        filter_ = await filter_of(self.reports, place, wish)
        key = (place.guild_id, filter_, threshold)
        compared = self._compared.get(key)
        if compared is None or not skip:
            tell("comparing the pictures")
            compared = await self._compare(place.guild_id, frozenset(place.names), filter_, threshold)
            self._compared.put(key, compared)
        found = await self.reposts.described(place.guild_id, filter_, compared)
        copied = bool(values.get("pictures"))
        count = PAGE_COPIES if copied else len(found.groups)
        page = found.groups[skip : skip + min(wish.count or len(found.groups), count)]
        groups = await self._groups(place.guild_id, page, place.names)
        if copied:
            tell("getting the pictures")
            copies = await self.pictures.copies(_shown(page))
            for group, entry in zip(page, groups, strict=False):
                entry["picture"] = copies.get(group.first.place_id)
        return {
            "guild_id": str(place.guild_id),
            "threshold": threshold,
            "compared": found.compared,
            "total": found.total,
            "group_count": len(found.groups),
            "groups": groups,
        }

    async def _compare(
        self, guild_id: GuildId, visible: frozenset[ChannelId], filter_: Filter, threshold: float
    ) -> Compared:
        try:
            async with asyncio.timeout(WAIT_S):
                return await self.reposts.compare(OWNER, guild_id, visible, filter_, threshold)
        except (AlreadyRunning, TooManyWaiting):
            raise TellPerson("error-many-comparing") from None
        except TimeoutError:
            raise TellPerson("error-timeout") from None

    async def _groups(
        self, guild_id: GuildId, page: tuple[RepostGroup, ...], names: Mapping[ChannelId, str]
    ) -> list[dict[str, Any]]:
        """As many of the groups as fit into PAGE_BYTES, at least one."""
        found: list[dict[str, Any]] = []
        size = 0
        for group in page:
            listed = (group.first, *group.others)[:MOST_POSTS]
            details = await self.reports.described([post.place_id for post in listed])
            posts = [
                {
                    **_post(guild_id, detail, names, opens=self.opens),
                    "copy": sureness(group, post),
                    "changes": edit_texts(group, post, Language.ENGLISH),
                }
                for post in listed
                if (detail := details.get(post.place_id)) is not None
            ]
            entry = {
                "confidence": round(group.confidence, 4),
                "times": len(group.others) + 1,
                "text": group.detail.content[:TEXT_CHARACTERS],
                "kinds": [str(flag.name).lower() for flag in PlaceFlag if flag in group.first.flags],
                "posts": posts,
            }
            size += len(json.dumps(entry))
            if found and size > PAGE_BYTES:
                break
            found.append(entry)
        return found


def _post(guild_id: GuildId, detail: PlaceDetail, names: Mapping[ChannelId, str], *, opens: bool) -> dict[str, Any]:
    unix_ms = snowflake_ms(detail.message_id)
    return {
        "channel": names.get(detail.channel_id, ""),
        "channel_id": str(detail.channel_id),
        "message_id": str(detail.message_id),
        "author": detail.author_name,
        "author_id": str(detail.author_id),
        "unix_ms": unix_ms,
        "posted": posted(unix_ms),
        "link": message_link(guild_id, detail.channel_id, detail.message_id, opens=opens),
        "path": detail.path or None,
        "file_name": detail.file_name,
    }


def _shown(page: tuple[RepostGroup, ...]) -> dict[PlaceId, Shown]:
    """Where the first posts' pictures are. Spoilers stay hidden."""
    return {
        group.first.place_id: Shown(
            group.first.channel_id, group.first.message_id, group.detail.link, group.detail.path
        )
        for group in page
        if not group.first.flags & PlaceFlag.SPOILER
    }


def _threshold(found: object) -> float:
    if found is None:
        return THRESHOLD
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0.5 <= found <= 1:
        raise TellPerson("cli-threshold", found=str(found)[:40])
    return float(found)


def _skip(found: object) -> int:
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else 0
