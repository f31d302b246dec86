"""Replies as data: within Discord's limits whatever members wrote, and nothing of theirs means anything."""

from __future__ import annotations

import asyncio
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.replies.answer_json import hit_json
from bot.replies.closeness import Asked, band_text
from bot.replies.escape import HIDDEN, escaped, excerpt, plain
from bot.replies.pages import MAX_CHARACTERS, MAX_COMPONENTS, PAGE_HITS, Coverage, Dress, page, page_count, title
from bot.texts import Language, translate
from indexer.crawl.on_demand import TakenIn
from indexer.records.hits import Band, Floor, Hit, Parts, Place, SearchResult
from indexer.records.ids import ChannelId, GuildId, MessageId, PictureId, PlaceId, UserId
from indexer.records.messages import NO_FLAGS, PlaceFlag, Source
from sandbox.checks import messages as discord_rules
from tests.openapi import description

GUILD = GuildId(100_000_000_000_000_000)
EVIL = (
    "**_~~`|>#-[x](https://evil.example)<@1><@&2><#3><:e:4></x:5>@everyone https://evil.example ||s||\n# big\u202e" * 20
)


def place(message_id: int = 200_000_000_000_000_000, flags: PlaceFlag = NO_FLAGS) -> Place:
    return Place(
        MessageId(message_id), PlaceId(1), ChannelId(300_000_000_000_000_000), UserId(400_000_000_000_000_000), flags
    )


def hit(picture: int = 1, **more: Any) -> Hit:
    made = Hit(
        PictureId(picture), 0.875, place(), "https://cdn.discordapp.com/attachments/3/2/cat.png", Source.ATTACHMENT,
        "cat.png", "a cat", "look at my cat", "anna", 640, 480,
    )  # fmt: skip
    return replace(made, **more)


def result(*hits: Hit, searched: int = 12_345, **more: Any) -> SearchResult:
    return replace(SearchResult(hits, searched, Floor.INDEX, {"vectors": 1.5, "total": 3.2}), **more)


def sent(view: discord.ui.LayoutView) -> list[dict[str, Any]]:
    """The components as they go to Discord. discord.py gives the method no types."""
    untyped: Any = view
    components: list[dict[str, Any]] = untyped.to_components()
    return components


def walk(items: Any) -> Iterator[Mapping[str, Any]]:
    for item in items:
        yield item
        yield from walk(item.get("components", ()))
        if "accessory" in item:
            yield item["accessory"]


def texts(view: discord.ui.LayoutView) -> str:
    return "\n".join(item["content"] for item in walk(sent(view)) if item["type"] == 10)


def allowed_by_discord(view: discord.ui.LayoutView) -> None:
    """Raises where the rules of Discord's documentation, as the sandbox has them, refuse the message."""
    discord_rules.check({"flags": 1 << 15, "components": sent(view)}, {})


def full_to_the_brim(language: Language) -> tuple[Asked, SearchResult, Dress]:
    parts = Parts(0.123456, 1234, 12.345, 1234, 64, 12.3)
    link = "https://cdn.discordapp.com/" + "x" * 2_000
    hits = [
        hit(
            number, excerpt=EVIL, file_name=EVIL, alt_text=EVIL, link=link, band=Band.VERY_SIMILAR, parts=parts,
            at_ms=36_000_000,
            other_places=(place(199_000_000_000_000_000),) * 99,
        )
        for number in range(50)
    ]  # fmt: skip
    stages = dict.fromkeys(("picture", "text", "vectors", "words", "retrieve", "total"), 12345.678)
    found = result(*hits, searched=123_456_789, floor=Floor.DIRECT, stage_ms=stages)
    coverage = Coverage(100, 300_000_000_000_000_000, unread=12_345, taken_in=TakenIn(4, 24))
    dress = Dress(language, "similar-ABCDEFGHIJKL", True, True, coverage, UserId(4 * 10**17))
    return Asked(10, EVIL, (EVIL, EVIL)), found, dress


@pytest.mark.parametrize("language", list(Language))
def test_a_page_with_every_text_at_its_longest_stays_within_discords_limits(language: Language) -> None:
    asked, found, dress = full_to_the_brim(language)
    for index in (0, 1, page_count(found) - 1):
        view = page(GUILD, asked, found, index, dress)
        assert view.content_length() <= MAX_CHARACTERS
        assert len(list(walk(sent(view)))) <= MAX_COMPONENTS
        allowed_by_discord(view)


text_of_a_member = st.text(
    st.one_of(st.sampled_from(string.punctuation + "\n\t\u202e\u200b"), st.characters()), max_size=300
)


@given(text_of_a_member, text_of_a_member, text_of_a_member, text_of_a_member)
def test_whatever_members_wrote_discord_takes_the_page(words: str, said: str, name: str, alt: str) -> None:
    hits = [hit(number, excerpt=said, file_name=name, alt_text=alt) for number in range(5)]
    view = page(GUILD, Asked(1, words, (said,)), result(*hits), 0, Dress(token="similar-ABCDEFGHIJKL"))
    assert view.content_length() <= MAX_CHARACTERS
    allowed_by_discord(view)


_UNESCAPED = re.compile(r"(?<!\\)(?:\\\\)*[*_~`|<>\[\]()#@:/]")


@given(text_of_a_member)
def test_no_sign_of_a_members_text_keeps_its_meaning(text: str) -> None:
    for harmless in (escaped(text, 200), excerpt(text, 200)):
        assert not _UNESCAPED.search(harmless), harmless
        assert "\n" not in harmless
        assert not re.search(r"https?://", harmless)


@given(st.text("abc XYZ,.!? äß猫", max_size=50))
def test_ordinary_words_come_through_as_they_are(text: str) -> None:
    assert escaped(text, 100) == " ".join(text.split())


@given(text_of_a_member, st.integers(1, 80))
def test_a_cut_text_is_never_longer_than_its_limit(text: str, limit: int) -> None:
    assert len(plain(text, limit)) <= limit
    assert len(escaped(text, limit)) <= 2 * limit


def test_a_backslash_at_the_cut_does_not_free_the_next_sign() -> None:
    assert escaped("\\" * 10, 5) == "\\\\" * 4 + "…"


def test_a_spoiler_in_a_message_stays_hidden_in_its_excerpt() -> None:
    assert excerpt("she ||dies\nat the end|| yes", 100) == f"she {HIDDEN} yes"


def test_mentions_and_emoji_of_a_message_are_shown_in_words() -> None:
    shown = excerpt("<@1> <@!2> <@&3> <#4> <a:party:5> <t:6:R>!", 100)
    assert shown == r"\@member \@member \@role \#channel \:party\: !"


def test_direction_marks_and_control_characters_are_taken_out() -> None:
    assert plain("cat\u202egnp.exe\x00\x1b[31m \u2066x", 100) == "catgnp.exe[31m x"
    assert plain("👩‍👩‍👧", 100) == "👩‍👩‍👧"


def test_a_hit_says_how_close_who_where_when_and_leads_there() -> None:
    view = page(GUILD, Asked(1), result(hit(band=Band.SAME)), 0, Dress())
    shown = texts(view)
    assert "**1 · Same picture** (0.88)" in shown
    assert "<@400000000000000000> in <#300000000000000000> · <t:1467754115:R>" in shown
    assert "(https://discord.com/channels/100000000000000000/300000000000000000/200000000000000000)" in shown
    assert "> look at my cat" in shown
    assert shown.endswith("12,345 pictures searched")


def test_what_hangs_on_the_whole_server_is_told_to_those_who_manage_it_alone() -> None:
    found = result(hit(), floor=Floor.DIRECT)
    member = texts(page(GUILD, Asked(1), found, 0, Dress(explain=True)))
    manager = texts(page(GUILD, Asked(1), found, 0, Dress(explain=True, manages=True)))
    for told in (" · 3 ms", "vectors 1.5 ms", "without the fast index"):
        assert told in manager
        assert told not in member
    german = texts(page(GUILD, Asked(1), found, 0, Dress(Language.GERMAN, explain=True, manages=True)))
    assert "Vektoren 1,5 ms" in german
    assert "Ebene: direkt" in german


def test_a_number_is_shown_where_a_picture_is_like_a_picture() -> None:
    asked_with_words = texts(page(GUILD, Asked(0, "cat"), result(hit(score=0.27, band=Band.RELATED)), 0, Dress()))
    assert "**1 · Fits**\n" in asked_with_words
    said = texts(page(GUILD, Asked(1, "cat"), result(hit(score=-0.06, band=Band.SAID)), 0, Dress()))
    assert "**1 · In its words**\n" in said


def test_the_menu_names_hits_by_their_number() -> None:
    hits = [hit(number) for number in range(PAGE_HITS + 2)]
    view = page(GUILD, Asked(1), result(*hits), 1, Dress(token="similar-ABCDEFGHIJKL"))
    (menu,) = (item for item in walk(sent(view)) if item["type"] == 3)
    assert [option["value"] for option in menu["options"]] == ["6", "7"]


def test_a_picture_posted_before_says_who_was_first() -> None:
    first = Place(MessageId(150_000_000_000_000_000), PlaceId(9), ChannelId(1), UserId(77))
    shown = texts(page(GUILD, Asked(1), result(hit(other_places=(first,))), 0, Dress()))
    assert "First posted by <@77> <t:1455833186:R>, shown 2 times" in shown


def test_a_spoiler_is_shown_hidden_and_not_described() -> None:
    view = page(GUILD, Asked(1), result(hit(place=place(flags=PlaceFlag.SPOILER), excerpt="")), 0, Dress())
    (thumbnail,) = (item for item in walk(sent(view)) if item["type"] == 11)
    assert thumbnail["spoiler"] is True
    assert thumbnail.get("description") is None
    assert "cat.png" not in texts(view)


def test_a_thumbnail_is_the_bare_link_with_the_alt_text() -> None:
    view = page(GUILD, Asked(1), result(hit()), 0, Dress())
    (thumbnail,) = (item for item in walk(sent(view)) if item["type"] == 11)
    assert thumbnail["media"]["url"] == "https://cdn.discordapp.com/attachments/3/2/cat.png"
    assert thumbnail["description"] == "a cat"


def test_a_link_that_discord_would_refuse_is_left_out_and_the_hit_stays() -> None:
    view = page(GUILD, Asked(1), result(hit(link="file:///etc/passwd"), hit(2)), 0, Dress())
    assert len([item for item in walk(sent(view)) if item["type"] == 11]) == 1
    assert "**1 ·" in texts(view)
    allowed_by_discord(view)


def test_pages_have_buttons_where_there_is_somewhere_to_go() -> None:
    hits = [hit(number) for number in range(2 * PAGE_HITS + 1)]
    dress = Dress(token="similar-ABCDEFGHIJKL")
    for index, off in ((0, [True, False]), (1, [False, False]), (2, [False, True])):
        view = page(GUILD, Asked(1), result(*hits), index, dress)
        buttons = [item for item in walk(sent(view)) if item["type"] == 2 and ":page-" in item["custom_id"]]
        assert [item["disabled"] for item in buttons] == off
        assert f"page {index + 1} of 3" in texts(view)
    single = page(GUILD, Asked(1), result(hit()), 0, dress)
    assert not [item for item in walk(sent(single)) if ":page-" in item.get("custom_id", "")]


def test_a_page_beyond_the_last_is_the_last() -> None:
    hits = [hit(number) for number in range(7)]
    assert "page 2 of 2" in texts(page(GUILD, Asked(1), result(*hits), 99, Dress()))
    assert "page 1 of 2" in texts(page(GUILD, Asked(1), result(*hits), -3, Dress()))


def test_nothing_close_enough_is_said_and_what_to_try() -> None:
    shown = texts(page(GUILD, Asked(0, "unicorn"), result(), 0, Dress(token="similar-ABCDEFGHIJKL")))
    assert "Nothing close enough" in shown
    assert "12,345" in shown
    assert "Try other words" in shown


def test_an_empty_scope_is_told_apart_from_nothing_close() -> None:
    shown = texts(page(GUILD, Asked(0, "unicorn"), result(searched=0), 0, Dress()))
    assert "no indexed picture that you may see" in shown


def test_the_title_says_what_was_asked_with_the_members_words_escaped() -> None:
    assert title(Asked(1, "**cat**", ("dog",)), Language.ENGLISH) == (
        r"Pictures like the one you gave and “\*\*cat\*\*” without dog"
    )
    assert title(Asked(3), Language.ENGLISH) == "Pictures like the 3 you gave"
    assert title(Asked(0, "Katze"), Language.GERMAN) == "Bilder zu “Katze”"


def test_a_gap_is_told_and_has_a_button_also_where_nothing_was_found() -> None:
    dress = Dress(token="similar-ABCDEFGHIJKL", coverage=Coverage(50, unread=2))
    for found in (result(hit()), result()):
        view = page(GUILD, Asked(0, "cat"), found, 0, dress)
        assert "The newest messages of 2 channels cannot be found yet" in texts(view)
        names = [item["custom_id"].rpartition(":")[2] for item in walk(sent(view)) if item["type"] == 2]
        assert names == ([*(["sheet", "share"] if found.hits else []), "newest"])
        allowed_by_discord(view)
    covered = page(GUILD, Asked(0, "cat"), result(), 0, Dress(token="similar-ABCDEFGHIJKL", coverage=Coverage(50)))
    assert not [item for item in walk(sent(covered)) if item["type"] == 2]


def test_what_was_just_read_is_told() -> None:
    def told(taken_in: TakenIn) -> str:
        return texts(page(GUILD, Asked(1), result(hit()), 0, Dress(coverage=Coverage(50, taken_in=taken_in))))

    assert "the newest messages of one channel. 3 more pictures can be found." in told(TakenIn(1, 3))
    assert "of 4 channels. 1 more picture can be found." in told(TakenIn(4, 1))
    assert "Nothing newer could be read just now." in told(TakenIn(0, 0))


def test_pictures_of_one_member_are_named_after_the_member() -> None:
    asked = Asked(author=UserId(7))
    assert title(asked, Language.ENGLISH) == "The newest pictures by <@7>"
    nothing = texts(page(GUILD, asked, result(searched=0), 0, Dress(Language.GERMAN)))
    assert "Es gibt kein erfasstes Bild von <@7>, das du sehen darfst." in nothing


def test_a_slower_floor_is_named() -> None:
    assert "the newest messages only" in texts(page(GUILD, Asked(1), result(hit(), floor=Floor.LIVE), 0, Dress()))


@pytest.mark.parametrize("language", list(Language))
def test_discords_own_description_allows_the_fullest_page(language: Language) -> None:
    asked, found, dress = full_to_the_brim(language)
    body = {"flags": 1 << 15, "components": sent(page(GUILD, asked, found, 1, dress))}
    description().check_schema("MessageCreateRequest", body)


def test_a_view_is_not_kept_by_discord_py() -> None:
    async def made() -> discord.ui.LayoutView:
        return page(GUILD, Asked(1), result(hit()), 0, Dress(token="similar-ABCDEFGHIJKL"))

    assert asyncio.run(made()).is_finished()


def test_a_members_locale_chooses_the_language() -> None:
    assert Language.of(discord.Locale.german) is Language.GERMAN
    assert Language.of(discord.Locale.british_english) is Language.ENGLISH
    assert Language.of(discord.Locale.japanese) is Language.ENGLISH
    assert Language.of(None) is Language.ENGLISH
    assert translate(Language.GERMAN, "button-next") == "Weiter"


@pytest.mark.parametrize(
    ("at_ms", "english", "german"),
    [(None, "Very similar", "Sehr ähnlich"), (7_999, "Very similar, at 0:07", "Sehr ähnlich, bei 0:07"),
     (3_723_000, "Very similar, at 1:02:03", "Sehr ähnlich, bei 1:02:03")],
)  # fmt: skip
def test_a_hit_says_at_which_moment_of_an_animation_it_is_so_close(
    at_ms: int | None, english: str, german: str
) -> None:
    found = hit(1, band=Band.VERY_SIMILAR, at_ms=at_ms)
    assert band_text(found, Asked(1), Language.ENGLISH) == english
    assert band_text(found, Asked(1), Language.GERMAN) == german
    assert hit_json(GUILD, found, Asked(1), {}, opens=True)["at_ms"] == at_ms
    assert "0:0" not in band_text(hit(1, band=Band.SAID, at_ms=at_ms), Asked(0, "x"), Language.ENGLISH)
