"""/stats and /help, end to end: counts of what one may see, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.commands.stats import size_text
from bot.commands.words import WORDS
from bot.replies.texts import Language
from tests.bot.running import running, town, with_auto_start


async def test_a_member_is_told_of_no_picture_in_a_channel_they_cannot_see(tmp_path: Path) -> None:
    place = town(pictures=6, secrets=2)
    async with running(place.world, tmp_path, with_auto_start) as bot:
        await bot.indexed(place.guild)
        member = await bot.person(place.member).slash(place.talk.id, "stats")
        owner = await bot.person(place.owner).slash(place.talk.id, "stats")
        assert member.ephemeral
        assert "6 pictures, shown 6 times in 6 messages" in member.content
        assert "1 channels" in member.content
        assert "8 pictures, shown 8 times in 8 messages" in owner.content
        assert "100 % indexed" in owner.content


async def test_who_manages_the_server_is_told_what_could_not_be_read(tmp_path: Path) -> None:
    place = town(pictures=1, secrets=0)
    bad = place.world
    from sandbox.world import File

    place.pictures.post(place.member.user, "broken", files=[File.of("broken.png", b"\x89PNG\r\n\x1a\nnothing")])
    async with running(bad, tmp_path, with_auto_start) as bot:
        await bot.indexed(place.guild)
        owner = await bot.person(place.owner).slash(place.talk.id, "stats")
        member = await bot.person(place.member).slash(place.talk.id, "stats")
        assert "1 could not be read" in owner.content
        assert "not read:" in owner.content
        assert "not read:" not in member.content


async def test_stats_of_a_server_without_an_index_say_how_to_begin(tmp_path: Path) -> None:
    place = town()
    async with running(place.world, tmp_path) as bot:
        reply = await bot.person(place.member).slash(place.talk.id, "stats")
        assert "/reindex start" in reply.content


async def test_help_shows_the_managers_part_to_managers_only(tmp_path: Path) -> None:
    place = town()
    async with running(place.world, tmp_path) as bot:
        owner = await bot.person(place.owner).slash(place.talk.id, "help")
        member = await bot.person(place.member).slash(place.talk.id, "help")
        assert "/reindex start" in owner.content
        assert "/reindex" not in member.content
        assert "/similar" in member.content


@pytest.mark.parametrize("language", [one for one in Language if one is not Language.ENGLISH])
def test_every_language_has_the_same_words_with_the_same_placeholders(language: Language) -> None:
    import string

    def placeholders(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    english, other = WORDS[Language.ENGLISH], WORDS[language]
    assert english.keys() == other.keys()
    assert {key: placeholders(text) for key, text in english.items()} == {
        key: placeholders(text) for key, text in other.items()
    }


@pytest.mark.parametrize("language", list(Language))
def test_no_text_is_longer_than_a_message_may_be(language: Language) -> None:
    privacy = [text for key, text in WORDS[language].items() if key.startswith("privacy.")]
    assert sum(map(len, privacy)) < 4000
    assert all(len(text) < 1500 for text in WORDS[language].values())


def test_sizes_are_spelt_as_disks_are_sold() -> None:
    assert [size_text(n) for n in (0, 999, 12_000, 3_400_000, 5_000_000_000, 10**16)] == [
        "0 B",
        "999 B",
        "12 KB",
        "3.4 MB",
        "5.0 GB",
        "10000.0 TB",
    ]
