"""A search result as pages of Components V2.

Discord's limits for a message: 40 components, nested ones included, and 4,000 characters of text over all of them. A
page of `PAGE_HITS` hits needs at most 35 components and, with every text at its longest, about 3,400 characters. A test
fills a page completely and counts both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import discord

from bot.links import jump_link
from bot.replies.closeness import Asked, band_text, score_text
from bot.replies.escape import escaped, excerpt, plain
from bot.replies.explained import explained_parts, explained_stages, rerank_note
from bot.texts import Language, translate
from indexer.crawl.on_demand import TakenIn
from indexer.records.hits import Band, Floor, Hit, SearchResult
from indexer.records.ids import GuildId, UserId, snowflake_ms
from indexer.records.messages import PlaceFlag
from indexer.search.browse import MOST

PAGE_HITS = 5
MAX_COMPONENTS = 40
MAX_CHARACTERS = 4_000

QUERY_CHARACTERS = 120
EXCERPT_CHARACTERS = 110
FILE_CHARACTERS = 40
ALT_CHARACTERS = 250

ACCENT = discord.Colour(0x5B8DEF)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of what was searched is indexed: a percentage, for one channel or for what `what` names.

    `what` is the end of a text's key: `server` (all that the reader may see), `chosen` channels, or what `everyone` in
    this channel may see. `unread`: of so many of these channels the newest messages are not read yet. `taken_in`: what
    has just been read because the reader asked for it.
    """

    percent: int
    channel_id: int | None = None
    what: str = "server"
    unread: int = 0
    taken_in: TakenIn | None = None


@dataclass(frozen=True, slots=True)
class Dress:
    """How a page is shown: its language, and the parts around the hits.

    `token` names the open reply in the buttons' custom ids; None leaves all buttons out. `shared_by` is the member who
    shared the page with the channel. `manages`: its reader manages the server. Such a reader may know how long each
    stage took and whether the server's index is being rebuilt, which depend on what other members may not see.
    """

    language: Language = Language.ENGLISH
    token: str | None = None
    explain: bool = False
    shareable: bool = True
    coverage: Coverage | None = None
    shared_by: UserId | None = None
    manages: bool = False


def page_count(result: SearchResult) -> int:
    """At least 1: a result without hits still has a page that says so."""
    return max(1, -(-len(result.hits) // PAGE_HITS))


def custom_id(token: str, action: str) -> str:
    """The name of a button of an open reply. `bot.commands.open_replies` listens for this name."""
    return f"reply:{token}:{action}"


def page(guild_id: GuildId, asked: Asked, result: SearchResult, index: int, dress: Dress) -> discord.ui.LayoutView:
    """Page `index` of a result (from 0; limited to the pages that exist)."""
    language = dress.language
    last = page_count(result) - 1
    index = min(max(index, 0), last)
    shown = result.hits[index * PAGE_HITS : (index + 1) * PAGE_HITS]
    container: discord.ui.Container[Any] = discord.ui.Container(accent_colour=ACCENT)
    container.add_item(discord.ui.TextDisplay(f"### {_heading(asked, dress)}"))
    if not shown:
        container.add_item(discord.ui.TextDisplay(_nothing(asked, result, language)))
    for place, hit in enumerate(shown, start=index * PAGE_HITS + 1):
        container.add_item(_section(guild_id, place, hit, asked, dress))
    container.add_item(discord.ui.Separator())
    container.add_item(discord.ui.TextDisplay(_footer(result, index, last, dress)))
    view = discord.ui.LayoutView(timeout=None)
    view.add_item(container)
    if dress.token is not None:
        _add_buttons(view, dress.token, shown, index, last, dress)
    view.stop()  # discord.py does not have to remember the view: the buttons' names say which open reply they belong to
    return view


def _heading(asked: Asked, dress: Dress) -> str:
    """The title. If the whole channel sees it, its words are shown as the member's, not as the bot's."""
    if dress.shared_by is None:
        return title(asked, dress.language)
    return translate(dress.language, "title-asked", author=f"<@{dress.shared_by}>", what=title(asked, dress.language))


def title(asked: Asked, language: Language) -> str:
    """One line that says what was asked, with the member's words escaped."""
    if asked.author is not None:
        return translate(language, "title-by", author=f"<@{asked.author}>")
    if not (asked.pictures or asked.words.strip()):
        return translate(language, "title-newest")
    parts = []
    if asked.pictures == 1:
        parts.append(translate(language, f"title-{asked.origin}"))
    elif asked.pictures > 1:
        parts.append(translate(language, "title-more", count=asked.pictures))
    if asked.words.strip():
        parts.append(f"“{escaped(asked.words, QUERY_CHARACTERS)}”")
    what = parts[0] if parts else ""
    if len(parts) == 2:
        what = translate(language, "title-and", left=parts[0], right=parts[1])
    text = translate(language, "title-pictures" if asked.pictures else "title-words", what=what)
    if asked.without:
        excluded = escaped(", ".join(asked.without), QUERY_CHARACTERS)
        text += " " + translate(language, "title-without", what=excluded)
    return text


def _section(guild_id: GuildId, place: int, hit: Hit, asked: Asked, dress: Dress) -> discord.ui.Item[Any]:
    text = "\n".join(_lines(guild_id, place, hit, asked, dress))
    if not showable(hit.link):
        return discord.ui.TextDisplay(text)
    hidden = bool(hit.place.flags & PlaceFlag.SPOILER)
    description = None if hidden else plain(hit.alt_text or hit.file_name, ALT_CHARACTERS) or None
    thumbnail: discord.ui.Thumbnail[Any] = discord.ui.Thumbnail(hit.link, description=description, spoiler=hidden)
    return discord.ui.Section(discord.ui.TextDisplay(text), accessory=thumbnail)


def _lines(guild_id: GuildId, place: int, hit: Hit, asked: Asked, dress: Dress) -> list[str]:
    language = dress.language
    if hit.band is Band.LISTED:
        lines = [f"**{place}**"]
    else:
        title = translate(language, "hit-line", number=place, band=band_text(hit, asked, language))
        score = score_text(hit, asked, language)
        lines = [f"{title} ({score})" if score else title]
    where = hit.place
    lines.append(
        translate(
            language,
            "hit-where",
            author=f"<@{where.author_id}>",
            channel=f"<#{where.channel_id}>",
            age=stamp(where.message_id, "R"),
            link=jump_link(guild_id, where.channel_id, where.message_id),
        )
    )
    words = excerpt(hit.excerpt, EXCERPT_CHARACTERS) or escaped(hit.file_name, FILE_CHARACTERS)
    if words and not (where.flags & PlaceFlag.SPOILER and not hit.excerpt.strip()):
        lines.append(f"> {words}")
    if hit.times > 1:
        first = hit.first_place
        lines.append(
            "-# "
            + translate(
                language,
                "hit-first",
                author=f"<@{first.author_id}>",
                age=stamp(first.message_id, "R"),
                count=hit.times,
            )
        )
    if dress.explain and (explained := explained_parts(hit, language)):
        lines.append("-# " + " · ".join(explained))
    return lines


def _nothing(asked: Asked, result: SearchResult, language: Language) -> str:
    if result.searched == 0 and asked.author is not None:
        return translate(language, "none-by", author=f"<@{asked.author}>")
    if result.searched == 0:
        return translate(language, "none-searched")
    text = translate(language, "none-found", searched=result.searched)
    return f"**{translate(language, 'none-title')}**\n{text}"


def _footer(result: SearchResult, index: int, last: int, dress: Dress) -> str:
    language = dress.language
    parts = []
    if last:
        parts.append(translate(language, "footer-page", page=index + 1, pages=last + 1))
    listed = bool(result.hits) and result.hits[0].band is Band.LISTED
    parts.append(translate(language, "footer-listed" if listed else "footer-searched", searched=result.searched))
    if listed and len(result.hits) >= MOST:
        parts.append(translate(language, "footer-older", shown=len(result.hits)))
    if dress.coverage is not None:
        channel = dress.coverage.channel_id
        what = translate(language, f"footer-{dress.coverage.what}") if channel is None else f"<#{channel}>"
        parts.append(translate(language, "footer-coverage", percent=dress.coverage.percent, what=what))
    if dress.manages and "total" in result.stage_ms:
        parts.append(translate(language, "footer-ms", ms=max(1, round(result.stage_ms["total"]))))
    if result.floor is Floor.LIVE or (dress.manages and result.floor is not Floor.INDEX):
        parts.append(translate(language, f"footer-floor-{result.floor}"))
    if note := rerank_note(result, language):
        parts.append(note)
    lines = ["-# " + " · ".join(parts)]
    if dress.coverage is not None:
        lines += [f"-# {text}" for text in _newest(dress.coverage, language)]
    if dress.shared_by is not None:
        lines.append("-# " + translate(language, "footer-shared", author=f"<@{dress.shared_by}>"))
    if dress.explain and dress.manages:
        lines.append("-# " + explained_stages(result, language))
    return "\n".join(lines)


def _newest(coverage: Coverage, language: Language) -> Iterator[str]:
    """What was read just now, and whether newest messages are still unread."""
    if (taken_in := coverage.taken_in) is not None:
        if taken_in.channels:
            yield translate(language, "newest-read", channels=taken_in.channels, pictures=taken_in.pictures)
        else:
            yield translate(language, "newest-nothing")
    if coverage.unread:
        yield translate(language, "newest-unread", count=coverage.unread)


def _add_buttons(
    view: discord.ui.LayoutView, token: str, shown: Sequence[Hit], index: int, last: int, dress: Dress
) -> None:
    language = dress.language
    if shown:
        _add_hit_buttons(view, token, shown, index, last, dress)
    if dress.coverage is not None and dress.coverage.unread:
        row: discord.ui.ActionRow[Any] = discord.ui.ActionRow()
        row.add_item(_button(token, "newest", language))
        view.add_item(row)


def _add_hit_buttons(
    view: discord.ui.LayoutView, token: str, shown: Sequence[Hit], index: int, last: int, dress: Dress
) -> None:
    language = dress.language
    row: discord.ui.ActionRow[Any] = discord.ui.ActionRow()
    if last:
        for action, target, off in (("previous", index - 1, index == 0), ("next", index + 1, index == last)):
            row.add_item(
                discord.ui.Button(
                    label=translate(language, f"button-{action}"),
                    custom_id=custom_id(token, f"page-{target}"),
                    disabled=off,
                    style=discord.ButtonStyle.secondary,
                )
            )
    row.add_item(_button(token, "sheet", language))
    if dress.shareable:
        row.add_item(_button(token, "share", language))
    view.add_item(row)
    choice: discord.ui.ActionRow[Any] = discord.ui.ActionRow()
    choice.add_item(
        discord.ui.Select(
            custom_id=custom_id(token, "more"),
            placeholder=translate(language, "select-more"),
            options=[
                discord.SelectOption(label=translate(language, "select-hit", number=place), value=str(place))
                for place in range(index * PAGE_HITS + 1, index * PAGE_HITS + len(shown) + 1)
            ],
        )
    )
    view.add_item(choice)


def _button(token: str, action: str, language: Language) -> discord.ui.Button[Any]:
    return discord.ui.Button(
        label=translate(language, f"button-{action}"),
        custom_id=custom_id(token, action),
        style=discord.ButtonStyle.secondary,
    )


def showable(link: str) -> bool:
    """Whether Discord accepts the link for a thumbnail: absolute http(s), at most 2,048 characters."""
    return urlsplit(link).scheme in ("http", "https") and len(link) <= 2048


def stamp(snowflake: int, style: str) -> str:
    """The time of a message as Discord shows it to each reader. `style`: R is relative, D a date, d a short date."""
    return f"<t:{snowflake_ms(snowflake) // 1000}:{style}>"
