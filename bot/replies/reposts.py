"""Groups of re-posts as pages of Components V2. A group needs three components and about 600 characters."""

from __future__ import annotations

from typing import Any, Literal

import discord

from bot.links import jump_link
from bot.replies.closeness import copy_texts
from bot.replies.escape import escaped, excerpt, plain
from bot.replies.pages import (
    ACCENT,
    ALT_CHARACTERS,
    EXCERPT_CHARACTERS,
    FILE_CHARACTERS,
    custom_id,
    showable,
    stamp,
)
from bot.texts import Language, translate
from indexer.records.hits import Place
from indexer.records.ids import GuildId
from indexer.records.messages import PlaceFlag
from indexer.search.reposts import RepostGroup, Reposts

PAGE_GROUPS = 5
LINKS = 4  # further posts that a group links to; the remaining ones are only counted


def repost_pages(found: Reposts) -> int:
    """At least 1: without groups there is one page that says so."""
    return max(1, -(-len(found.groups) // PAGE_GROUPS))


def repost_page(
    guild_id: GuildId, found: Reposts, index: int, language: Language, token: str | None, threshold: float
) -> discord.ui.LayoutView:
    """Page `index` (from 0; limited to the pages that exist)."""
    last = repost_pages(found) - 1
    index = min(max(index, 0), last)
    shown = found.groups[index * PAGE_GROUPS : (index + 1) * PAGE_GROUPS]
    container: discord.ui.Container[Any] = discord.ui.Container(accent_colour=ACCENT)
    container.add_item(discord.ui.TextDisplay(f"### {translate(language, 'reposts-title')}"))
    percent = int(threshold * 100)
    if not shown:
        container.add_item(discord.ui.TextDisplay(translate(language, "reposts-none", percent=percent)))
    for place, group in enumerate(shown, start=index * PAGE_GROUPS + 1):
        container.add_item(_section(guild_id, place, group, language))
    container.add_item(discord.ui.Separator())
    container.add_item(discord.ui.TextDisplay(_footer(found, index, last, language, percent)))
    view = discord.ui.LayoutView(timeout=None)
    view.add_item(container)
    if last and token is not None:
        row: discord.ui.ActionRow[Any] = discord.ui.ActionRow()
        for action, target, off in (("previous", index - 1, index == 0), ("next", index + 1, index == last)):
            row.add_item(
                discord.ui.Button(
                    label=translate(language, f"button-{action}"),
                    custom_id=custom_id(token, f"page-{target}"),
                    disabled=off,
                    style=discord.ButtonStyle.secondary,
                )
            )
        view.add_item(row)
    view.stop()  # as in pages.py
    return view


def _section(guild_id: GuildId, place: int, group: RepostGroup, language: Language) -> discord.ui.Item[Any]:
    detail, first = group.detail, group.first
    lines = [
        translate(
            language,
            "reposts-line",
            number=place,
            count=len(group.others) + 1,
            percent=int(group.confidence * 100),
        ),
        translate(
            language,
            "reposts-first",
            author=f"<@{first.author_id}>",
            channel=f"<#{first.channel_id}>",
            age=stamp(first.message_id, "D"),
            link=jump_link(guild_id, first.channel_id, first.message_id),
        ),
        translate(
            language,
            "reposts-then",
            links=" · ".join(
                f"[{stamp(post.message_id, 'd')}]({jump_link(guild_id, post.channel_id, post.message_id)})"
                f" <@{post.author_id}>{_told(group, post, language)}"
                for post in group.others[:LINKS]
            ),
        ),
    ]
    if len(group.others) > LINKS:
        lines[-1] += " " + translate(language, "reposts-more", count=len(group.others) - LINKS)
    hidden = bool(first.flags & PlaceFlag.SPOILER)
    words = excerpt(detail.content, EXCERPT_CHARACTERS) or (
        "" if hidden else escaped(detail.file_name, FILE_CHARACTERS)
    )
    if words:
        lines.append(f"> {words}")
    text: discord.ui.TextDisplay[Any] = discord.ui.TextDisplay("\n".join(lines))
    if not showable(detail.link):
        return text
    description = None if hidden else plain(detail.alt_text or detail.file_name, ALT_CHARACTERS) or None
    thumbnail: discord.ui.Thumbnail[Any] = discord.ui.Thumbnail(detail.link, description=description, spoiler=hidden)
    return discord.ui.Section(text, accessory=thumbnail)


def _told(group: RepostGroup, post: Place, language: Language) -> str:
    """In brackets, how a post's picture differs from the first one; empty where it does not."""
    texts = edit_texts(group, post, language)
    return f" ({', '.join(texts)})" if texts else ""


def edit_texts(group: RepostGroup, post: Place, language: Language) -> list[str]:
    """What was done to a post's picture, as its pixels show, or that it is likely a copy; nothing where it is the first
    one's picture."""
    if post.place_id not in group.edited:
        return []
    copied = group.edited[post.place_id]
    return [translate(language, "reposts-likely")] if copied is None else copy_texts(copied, language)


def sureness(group: RepostGroup, post: Place) -> Literal["same", "certain", "likely"]:
    """Whether a post's picture is the first one's, a copy of it by its pixels, or one that was not compared."""
    if post.place_id not in group.edited:
        return "same"
    return "likely" if group.edited[post.place_id] is None else "certain"


def _footer(found: Reposts, index: int, last: int, language: Language, percent: int) -> str:
    parts = []
    if last:
        parts.append(translate(language, "footer-page", page=index + 1, pages=last + 1))
    parts.append(translate(language, "reposts-compared", count=found.compared, percent=percent))
    if found.compared < found.total:
        parts.append(translate(language, "reposts-newest", total=found.total))
    return "-# " + " · ".join(parts)
