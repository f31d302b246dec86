"""Pictures that were posted more than once, by the rule of /duplicates."""

from __future__ import annotations

from http import HTTPStatus

from msgspec.structs import asdict

from bot.replies.reposts import edit_texts, sureness
from bot.texts import Language
from bot.web.api import pictures
from bot.web.api.models.pictures import DuplicatesQuery, Repost, RepostGroup, RepostGroups
from bot.web.api.operation import Call, Operation
from bot.web.api.parts import Parts
from bot.web.api.search import asker_of, filtered
from indexer.search.reposts import RepostGroup as FoundGroup

# Comparing the largest number of pictures takes a few seconds, and each comparison waits for the earlier ones.
LONGEST_S = 60.0
POSTS = 50  # copies that are named of a group


async def duplicates(call: Call[DuplicatesQuery, None]) -> RepostGroups:
    """Compared anew for the first page, and looked up again for each: a post that is gone by then is not shown."""
    parts, guild_id, query = call.parts, call.guild.id, call.query
    _, filter_, names = await filtered(call, query.q)
    asked = (guild_id, filter_, query.threshold)
    compared = parts.comparisons.get(asked)
    if compared is None or query.page == 1:
        reposts = parts.service.reposts
        compared = await reposts.compare(asker_of(call), guild_id, frozenset(names), filter_, query.threshold)
        parts.comparisons.put(asked, compared)
    found = await parts.service.reposts.described(guild_id, filter_, compared)
    start, end = (query.page - 1) * query.per_page, query.page * query.per_page
    groups = [await _group(parts, group, names) for group in found.groups[start:end]]
    return RepostGroups(
        groups=[group for group in groups if group is not None],
        page=query.page,
        more=len(found.groups) > end,
        found=len(found.groups),
        compared=found.compared,
        total=found.total,
    )


async def _group(parts: Parts, group: FoundGroup, names: pictures.Names) -> RepostGroup | None:
    posts = group.others[:POSTS]
    details = await parts.service.reports.described([post.place_id for post in posts])
    shown = [(post, pictures.shown(parts, details[post.place_id], names)) for post in posts if post.place_id in details]
    first = pictures.shown(parts, group.detail, names)
    if first is None:
        return None
    return RepostGroup(
        first=first,
        others=[
            Repost(**asdict(other), copy=sureness(group, post), changes=edit_texts(group, post, Language.ENGLISH))
            for post, other in shown
            if other is not None
        ],
        copies=len(group.others),
        confidence=round(group.confidence, 4),
    )


OPERATIONS = (
    Operation(
        "duplicates",
        "GET",
        "/guilds/{guild}/duplicates",
        "Pictures that were posted more than once, each led by the message that came first.",
        duplicates,
        RepostGroups,
        query=DuplicatesQuery,
        cost=20.0,
        longest_s=LONGEST_S,
        refusals=((HTTPStatus.UNPROCESSABLE_ENTITY, "bad_question"),),
    ),
)
