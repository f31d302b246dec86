"""Sparse backfill by Discord's own search, over unmodified discord.py and the sandbox: fewer requests, same result."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.progress import Progress, State
from indexer.records.ids import GuildId
from indexer.settings import CrawlSettings
from sandbox.server import Sandbox, open_sandbox
from sandbox.world import ChannelKind as Kind
from sandbox.world import Embed, File, Guild, World
from tests.worlds.crawling import Index, logged_in, open_index
from tests.worlds.picture_files import picture

HISTORY = "GET /channels/{channel_id}/messages"
SEARCH = "GET /guilds/{guild_id}/messages/search"
PAGED = CrawlSettings(use_search=False)


def sparse_server(messages: int = 4000, every: int = 40) -> tuple[World, Guild, int]:
    """One channel with a picture in every `every`-th message, of all the kinds that search knows words for."""
    world = World()
    mara = world.user("mara", "Mara")
    guild = world.guild("Meadow", mara)
    chat = guild.channel("chat", age_restricted=True)
    elsewhere = guild.channel("elsewhere")
    start = world.clock.now_ms() - messages * 60_000
    hosted = world.host("https://example.org/cat.png", File.of("cat.png", picture(1)))
    original = elsewhere.post(mara, "look", files=[File.of("original.png", picture(2))])
    pictures = 0
    for number in range(messages):
        at = start + number * 60_000
        if number % every:
            chat.post(mara, f"message {number}", at_ms=at)
            continue
        kind = pictures % 4
        if kind == 0:
            chat.post(mara, f"look {number}", files=[File.of(f"{number}.png", picture(100 + number))], at_ms=at)
        elif kind == 1:
            chat.post(mara, hosted.url, embeds=[Embed(kind="image", url=hosted.url, thumbnail=hosted)], at_ms=at)
        elif kind == 2:
            chat.post(mara, forward=original, at_ms=at)
        else:  # a picture that nothing but its name tells: a file like any other
            chat.post(mara, "raw", files=[File(f"{number}.bmp", lambda: picture(3), 900, None, None, None)], at_ms=at)
        pictures += 1
    return world, guild, pictures + 1


async def crawl(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, folder: Path, guild: Guild, settings: CrawlSettings
) -> tuple[Progress, dict[str, list[tuple[object, ...]]], dict[str, int]]:
    sandbox.record.clear()
    async with (
        logged_in(sandbox, monkeypatch) as history,
        open_index(sandbox, history, folder, guild.id, settings) as index,
    ):
        progress = await index.pipeline.run_guild(GuildId(guild.id))
        return progress, await rows(index), dict(sandbox.record.counts)


async def rows(index: Index) -> dict[str, list[tuple[object, ...]]]:
    return await index.rows()


async def test_search_finds_the_same_pictures_with_far_fewer_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, guild, pictures = sparse_server()
    async with open_sandbox(world) as sandbox:
        progress, by_search, counts = await crawl(sandbox, monkeypatch, tmp_path / "a", guild, CrawlSettings())
        _, by_pages, paged = await crawl(sandbox, monkeypatch, tmp_path / "b", guild, PAGED)
    assert by_search == by_pages
    assert len(by_search["places"]) == pictures
    assert (progress.state, progress.failed) == (State.DONE, 0)
    assert counts[HISTORY] + counts[SEARCH] < paged[HISTORY] * 0.6
    assert progress.messages_expected == 4001
    assert abs(progress.messages - 4001) < 200  # what search went past is estimated


async def test_a_hole_in_discords_index_is_found_by_a_sample_and_the_rest_is_paged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, guild, pictures = sparse_server()
    async with open_sandbox(world) as sandbox:
        chat = guild.named("chat")
        with_pictures = [message.id for message in chat.messages() if message.attachments or message.embeds]
        sandbox.api.search.unknown.update(with_pictures[:-12])  # all but the newest
        _, by_search, _ = await crawl(sandbox, monkeypatch, tmp_path / "a", guild, CrawlSettings())
        _, by_pages, _ = await crawl(sandbox, monkeypatch, tmp_path / "b", guild, PAGED)
    assert by_search == by_pages
    assert len(by_search["places"]) == pictures


@pytest.mark.parametrize("why", ["building", "refused", "absent", "broken"])
async def test_without_search_the_channel_is_paged(why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, guild, pictures = sparse_server(2000)
    async with open_sandbox(world) as sandbox:
        if why == "building":
            sandbox.api.search.building = 10_000
        elif why == "broken":
            sandbox.faults.plan("503", SEARCH, times=2)  # passing: asked again
        else:
            status = 403 if why == "refused" else 404
            monkeypatch.setattr("bot.history.rest.Route", _refusing(status, sandbox.base_url))
        progress, found, counts = await crawl(sandbox, monkeypatch, tmp_path, guild, CrawlSettings())
    assert progress.state is State.DONE
    assert len(found["places"]) == pictures
    if why != "broken":
        assert counts[HISTORY] >= 20


def _refusing(status: int, base: str) -> object:
    """Routes of search that lead to a server's 403 or 404."""
    from discord.http import Route

    def make(method: str, path: str, **parts: object) -> Route:
        if "search" not in path:
            return Route(method, path, **parts)  # type: ignore[arg-type]  # handed on as they came
        # Somebody else's guild is 403, a path that is not there 404.
        other = "/channels/1/messages" if status == 403 else "/nothing/there"
        return Route(method, other)

    assert base
    return make


async def test_channels_with_many_pictures_are_paged_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, guild, pictures = sparse_server(1000, every=3)
    async with open_sandbox(world) as sandbox:
        _, found, counts = await crawl(sandbox, monkeypatch, tmp_path, guild, CrawlSettings())
    assert len(found["places"]) == pictures
    assert counts[SEARCH] == 1  # the total for the progress bar


async def test_every_message_is_read_where_all_text_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, guild, _ = sparse_server(2500)
    async with open_sandbox(world) as sandbox:
        settings = CrawlSettings(messages="all")
        _, found, counts = await crawl(sandbox, monkeypatch, tmp_path, guild, settings)
    assert len(found["messages"]) == 2501
    assert SEARCH not in counts


async def test_pictures_of_a_channels_threads_do_not_disturb_its_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, guild, pictures = sparse_server()
    mara = next(iter(guild.members.values())).user
    thread = guild.named("chat").thread("side talk", mara, at_ms=world.clock.now_ms() - 1_000_000)
    for number in range(150):
        at = world.clock.now_ms() - 200_000_000 + number * 1_000_000
        thread.post(mara, "look", files=[File.of(f"t{number}.png", picture(9))], at_ms=at)
    guild.channel("forum", Kind.FORUM)
    async with open_sandbox(world) as sandbox:
        _, found, _ = await crawl(sandbox, monkeypatch, tmp_path / "a", guild, CrawlSettings())
        _, by_pages, _ = await crawl(sandbox, monkeypatch, tmp_path / "b", guild, PAGED)
    assert len(found["places"]) == pictures + 150
    assert found == by_pages
