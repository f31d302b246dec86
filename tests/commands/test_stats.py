"""/stats and /help, end to end: counts of what one may see, and no others."""

from __future__ import annotations

from pathlib import Path

from tests.worlds.running_bot import indexed, running, town, with_auto_start


async def test_a_member_is_told_of_no_picture_in_a_channel_they_cannot_see(tmp_path: Path) -> None:
    place = town(pictures=6, secrets=2)
    async with indexed(place, tmp_path) as bot:
        member = await bot.person(place.member).slash(place.talk.id, "stats")
        owner = await bot.person(place.owner).slash(place.talk.id, "stats")
        assert member.ephemeral
        assert "6 pictures, shown 6 times in 6 messages" in member.content
        assert "1 channel or thread with pictures" in member.content
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
        assert "not read: 1 × The picture breaks off in the middle: its file is incomplete." in owner.content
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
