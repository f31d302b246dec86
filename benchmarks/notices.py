"""`make bench-notices`: what a new picture costs in a server whose members are told of as much as there may be.

1,000 saved searches tell, half of words and half of pictures, in a server of 20,000 pictures. Their gates are held
against new pictures; the other way is to ask each search with its member's rights. Requests to Discord for the members,
of which the second way needs one for each, are in neither. The model answers at once, with vectors of 512 dimensions:
its time is no part of this.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.answers_world import Town, fill, town
from benchmarks.report import Report
from indexer.database.database import open_database
from indexer.notices.saved_notices import Looked
from indexer.notices.saved_searches import MOST_A_MEMBER, MOST_TOLD
from indexer.query.grammar import parse
from indexer.query.query import Query
from indexer.records.hits import Filter, Place
from indexer.records.ids import ChannelId, GuildId, MessageId, ModelId, PictureId, UserId, snowflake_ms
from indexer.records.new_pictures import NewPicture
from indexer.records.pictures import Vectors
from indexer.records.saved_searches import AskedPicture, Notice
from indexer.service import Service, open_service
from indexer.settings import Settings
from indexer.store import embeddings
from sandbox.server import open_sandbox
from tests.worlds.encoder import Encoder

ROWS = 20_000
DIMENSION = 512
ASKED = 60  # saved searches that are asked without a gate
NEW = 200  # pictures held against the gates, one by one and then 50 at a time
TIMES = 5


async def main() -> None:
    report = Report("notices")
    big, encoder = town(ROWS), Encoder(dimension=DIMENSION)
    with tempfile.TemporaryDirectory(prefix="bench-notices-") as name:
        settings = Settings(data_dir=Path(name) / "data")
        async with open_sandbox(big.world) as sandbox, open_database(settings.data_dir) as db, db.transaction() as tx:
            await fill(tx, big, sandbox, await embeddings.model_id(tx, encoder.spec))
        async with open_service(settings, None, encoder) as service:
            await service.index.maintain(service.db)
            await service.searcher.learn_baseline()
            await _measure(report, service, big)
    report.finish()


async def _measure(report: Report, service: Service, big: Town) -> None:
    guild_id = GuildId(big.guild.id)
    model_id = (await service.searcher.of(guild_id)).model_id
    queries = await _save(service, big, guild_id, model_id)
    news = await _newest(service, guild_id)
    first = min(news, key=lambda new: new.place.message_id).place.message_id

    asked_s = []
    for saved_id in list(queries)[:: len(queries) // ASKED]:
        query = queries[saved_id]
        began = time.perf_counter()
        await service.searcher.bar(query)
        await service.searcher.search(replace(query, filter=replace(query.filter, after_ms=snowflake_ms(first))))
        asked_s.append(time.perf_counter() - began)
    without_ms = float(np.mean(asked_s)) * len(queries) * 1e3

    looked = []
    for saved_id, query in queries.items():
        looked.append(Looked(saved_id, (), model_id, (await service.searcher.bar(query)).gate))
    await service.saved_notices.store((), looked)
    passed = 0
    began = time.perf_counter()
    for new in news:
        passed += len(await service.saved_notices.worth_a_look(guild_id, [new], model_id))
    single_ms = (time.perf_counter() - began) / len(news) * 1e3
    began = time.perf_counter()
    for _ in range(TIMES):
        for start in range(0, len(news), 50):
            await service.saved_notices.worth_a_look(guild_id, news[start : start + 50], model_id)
    together_ms = (time.perf_counter() - began) / len(news) / TIMES * 1e3

    what = f"a new picture, {len(queries):,} saved searches, {ROWS:,} pictures"
    report.row(f"{what}: each search asked", without_ms, "ms")
    report.row(f"{what}: by their gates", single_ms, "ms")
    report.row(f"{what}: by their gates, 50 pictures at a time", together_ms, "ms")
    share = passed / len(news) / len(queries)
    report.row("share of saved searches that their gates let through to be asked", share, "")
    with_ms = single_ms + share * without_ms
    report.row(f"{what}: by their gates, and asked what these let through", with_ms, "ms")
    report.row("gates against asking each", without_ms / with_ms, "×", "≥ 20", without_ms / with_ms >= 20)


async def _save(service: Service, big: Town, guild_id: GuildId, model_id: ModelId) -> dict[int, Query]:
    """MOST_TOLD saved searches of as many members as needed, as their members ask them."""
    rng = np.random.default_rng(5)
    visible = frozenset(ChannelId(channel.id) for channel in big.guild.channels.values())
    queries: dict[int, Query] = {}
    for number in range(MOST_TOLD):
        words, picture = f"w{200 + number} w{20 + number % 180}", None
        if number % 2:
            words, picture = (
                "",
                AskedPicture(number.to_bytes(32, "big"), int(rng.integers(1, 2**63)), model_id, _near(big, rng)),
            )
        user_id = UserId(number // MOST_A_MEMBER + 1)
        notice = Notice(MessageId(0), "en")
        await service.saved_searches.save(user_id, guild_id, f"search {number}", words, picture, notice)
        query = Query(guild_id, Filter(visible), asker=user_id, model_id=model_id)
        if picture is not None:
            query = replace(
                query, vectors=(picture.vector,), digests=frozenset({picture.sha256}), hashes=(picture.perceptual_hash,)
            )
        queries[number + 1] = query.asked_by(parse(words, 0))
    return queries


def _near(big: Town, rng: np.random.Generator) -> Vectors:
    """A picture that is not in the server, and like some that are."""
    rows = big.vectors.vectors[rng.integers(0, ROWS, 3)].astype(np.float32)
    mixed = rows.T @ np.array([0.6, 0.3, 0.1], np.float32)
    return np.asarray(mixed / np.linalg.norm(mixed), np.float32)


async def _newest(service: Service, guild_id: GuildId) -> list[NewPicture]:
    """The newest pictures of the server, as if they had just come."""
    async with service.db.reader() as connection:
        rows = await connection.execute_fetchall(
            "SELECT p.picture_id, m.message_id, p.place_id, m.channel_id, m.author_id FROM places p"
            " JOIN messages m USING (message_id) WHERE p.guild_id = ? ORDER BY m.message_id DESC LIMIT ?",
            (guild_id, NEW),
        )
    return [NewPicture(seq, PictureId(picture), Place(*ids)) for seq, (picture, *ids) in enumerate(rows)]


if __name__ == "__main__":
    asyncio.run(main())
