"""Pictures that an earlier version of the picture readers gave up on are opened once more, by the next start."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from indexer.database.database import Database, open_database
from indexer.errors import Reason
from indexer.pictures import decoder
from indexer.records.messages import Guild
from indexer.service import Service, open_service
from indexer.settings import DecodeSettings, FetchSettings, Settings
from indexer.store import channels, guilds, messages, pictures, places
from tests.worlds.encoder import Encoder
from tests.worlds.picture_files import picture
from tests.worlds.pipeline_world import GUILD, Cdn, FakeHistory, open_cdn
from tests.worlds.waiting import until


async def rejected(db: Database, history: FakeHistory, cdn: Cdn) -> None:
    """A message whose picture is rejected as damaged, one whose picture nobody could fetch, and one with a video."""
    data = picture(1)
    read, gone = cdn.add("read.png", data), cdn.add("gone.png", picture(2))
    listed = history.channel(1)
    posted = [history.post(1, 0, read), history.post(1, 1, gone), history.post(1, 2, cdn.add("c.mp4", b"video"))]
    async with db.transaction() as tx:
        await guilds.upsert(tx, Guild(GUILD, "Test"))
        await guilds.set_consent(tx, GUILD, True)
        await channels.upsert(tx, [listed])
        first, second, third = (await messages.store(tx, posted, keep="pictures", seen_ms=1)).new_places
        picture_id = await pictures.add_rejected(tx, hashlib.sha256(data).digest(), len(data), Reason.CORRUPT)
        await places.attach(tx, first.id, picture_id)
        await places.failed(tx, second.id, Reason.GONE)
        await places.failed(tx, third.id, Reason.TOO_SLOW)


async def states(db: Database) -> list[tuple[str, str | None]]:
    async with db.reader() as connection:
        rows = await connection.execute_fetchall("SELECT state, reason FROM places ORDER BY place_id")
    return [(state, reason) for state, reason in rows]


@asynccontextmanager
async def started(folder: Path, history: FakeHistory, cdn: Cdn) -> AsyncIterator[Service]:
    settings = Settings(
        data_dir=folder,
        fetch=FetchSettings(insecure_hosts=(cdn.host,), use_media_proxy=False),
        decode=DecodeSettings(workers=1),
    )
    async with open_service(settings, history, Encoder(size=16)) as service:
        yield service


async def test_what_an_earlier_version_could_not_open_is_tried_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_cdn() as cdn:
        history = FakeHistory(cdn=cdn)
        async with open_database(tmp_path) as db:
            await rejected(db, history, cdn)
        async with started(tmp_path, history, cdn) as service:
            await service.jobs.catch_up(GUILD)

            async def tried() -> bool:
                return all(state != "pending" for state, _ in await states(service.db))

            await until(tried)
            opened, unreachable, video = await states(service.db)
            assert opened == ("ready", None)
            assert unreachable == ("failed", "gone")  # no reader had a part in that
            assert video[0] == "failed"
            assert video[1] != "too-slow"  # it was opened, by this version's readers
        async with started(tmp_path, history, cdn) as service:
            assert [state for state, _ in await states(service.db)] == ["ready", "failed", "failed"]  # once
        monkeypatch.setattr("indexer.service.READERS_VERSION", decoder.READERS_VERSION + 1)
        async with started(tmp_path, history, cdn) as service:
            assert [state for state, _ in await states(service.db)] == ["ready", "failed", "pending"]
