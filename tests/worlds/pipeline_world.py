"""A small server for the pipeline's tests: a History (a port), a real CDN on loopback, a small Encoder (a port)."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from aiohttp import web

from indexer import ports
from indexer.crawl.histories import Histories
from indexer.crawl.live import Live
from indexer.crawl.removals import Removals
from indexer.database.database import open_database
from indexer.database.journal import FILE_NAME as JOURNAL
from indexer.database.journal import Journal
from indexer.errors import ChannelClosed, RetryLater
from indexer.ingest.download import Decodes, EncodesFiles
from indexer.ingest.pipeline import Pipeline
from indexer.pictures.decoder import open_decoder
from indexer.pictures.fetch import Fetcher, open_fetcher
from indexer.ports import PAGE
from indexer.records.ids import ChannelId, GuildId, MessageId, ModelId, UserId, ms_snowflake
from indexer.records.messages import Channel, ChannelKind, Guild, Message, PictureRef, Source
from indexer.settings import CrawlSettings, DecodeSettings, FetchSettings, Settings
from indexer.store import embeddings, guilds
from indexer.supervisor import Faults
from indexer.thumbnails.kept_thumbnails import KeptThumbnails
from tests.worlds.encoder import SIZE, Encoder
from tests.worlds.migrated import migrated
from tests.worlds.picture_files import picture
from tests.worlds.tables import Tables

GUILD = GuildId(ms_snowflake(1_600_000_000_000))


class Cdn:
    """Files on loopback. A link carries a signature; `revoke` makes the old signatures expire."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: Counter[str] = Counter()
        self.signature = 1
        self.statuses: dict[str, list[int]] = defaultdict(list)  # answers to give first, each for one file name
        self.held: asyncio.Event | None = None
        self.open_requests = 0
        self.host = ""

    def add(self, name: str, data: bytes) -> str:
        self.files[name] = data
        return f"http://{self.host}/attachments/1/{name}"

    def revoke(self) -> None:
        self.signature += 1

    def signed(self, link: str) -> str:
        return f"{link}?ex=f&is=f&hm={self.signature}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self.requests[name] += 1
        self.open_requests += 1
        try:
            if self.held is not None:
                await self.held.wait()
        finally:
            self.open_requests -= 1
        if self.statuses[name]:
            return web.Response(status=self.statuses[name].pop(0), text="not now")
        if request.query.get("hm") != str(self.signature):
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(body=self.files[name], content_type="image/png")


@dataclass
class FakeHistory:
    """A server's history as the port shows it. Tests can set its faults."""

    guild_name: str = "Test"
    listed: dict[ChannelId, Channel] = field(default_factory=dict)
    messages: dict[ChannelId, dict[MessageId, Message]] = field(default_factory=lambda: defaultdict(dict))
    cdn: Cdn | None = None
    faults: list[Exception] = field(default_factory=list)  # the next pages raise these, one each
    closed: dict[ChannelId, Exception] = field(default_factory=dict)
    pages: Counter[ChannelId] = field(default_factory=Counter)
    order: list[tuple[ChannelId, MessageId | None]] = field(default_factory=list)
    fetched: Counter[MessageId] = field(default_factory=Counter)
    gate: asyncio.Event | None = None

    def channel(self, number: int, kind: ChannelKind = ChannelKind.TEXT, parent: int | None = None) -> Channel:
        channel = Channel(
            ChannelId(number), GUILD, kind, f"channel-{number}", None if parent is None else ChannelId(parent)
        )
        self.listed[channel.id] = channel
        return channel

    def post(self, channel: int, at_s: int, *links: str, author: int = 7, content: str = "") -> Message:
        """A message `at_s` seconds after the guild was created."""
        message_id = MessageId(GUILD + (at_s << 22) * 1000 + channel)
        refs = tuple(
            PictureRef(n, Source.ATTACHMENT, link, link, file_name=link.rsplit("/", 1)[-1], width=24, height=20)
            for n, link in enumerate(links)
        )
        message = Message(message_id, ChannelId(channel), GUILD, UserId(author), f"u{author}", content, None, refs)
        self.messages[message.channel_id][message.id] = message
        return message

    def _shown(self, message: Message) -> Message:
        if self.cdn is None:
            return message
        signed = tuple(replace(ref, url=self.cdn.signed(ref.link)) for ref in message.pictures)
        return replace(message, pictures=signed)

    async def guild(self, guild_id: GuildId) -> Guild:
        if guild_id != GUILD:
            raise ChannelClosed(f"the bot is not in {guild_id}")
        return Guild(guild_id, self.guild_name)

    async def channels(self, guild_id: GuildId) -> AsyncIterator[Channel]:
        for channel in list(self.listed.values()):
            yield channel

    async def page(
        self, channel_id: ChannelId, *, before: MessageId | None = None, after: MessageId | None = None
    ) -> Sequence[Message]:
        self.pages[channel_id] += 1
        self.order.append((channel_id, before))
        await asyncio.sleep(0)
        if self.gate is not None:
            await self.gate.wait()
        if channel_id in self.closed:
            raise self.closed[channel_id]
        if self.faults:
            raise self.faults.pop(0)
        ids = sorted(self.messages[channel_id], reverse=True)
        if before is not None:
            ids = [message_id for message_id in ids if message_id < before]
        if after is not None:
            ids = [message_id for message_id in ids if message_id > after][-PAGE:]
        return [self._shown(self.messages[channel_id][message_id]) for message_id in ids[:PAGE]]

    async def message(self, channel_id: ChannelId, message_id: MessageId) -> Message | None:
        self.fetched[message_id] += 1
        if channel_id in self.closed:
            raise self.closed[channel_id]
        message = self.messages[channel_id].get(message_id)
        return None if message is None else self._shown(message)


@dataclass
class World(Tables):
    """Everything that a pipeline test needs, open."""

    history: FakeHistory
    cdn: Cdn
    encoder: Encoder
    fetcher: Fetcher
    decoder: Decodes | None
    model_id: ModelId
    settings: Settings
    faults: Faults
    removals: Removals
    cluster: EncodesFiles | None = None
    model: ports.Encoder | None = None  # what embeds instead of `encoder`

    async def use_model(self, model: ports.Encoder) -> None:
        self.model = model
        async with self.db.transaction() as tx:
            self.model_id = await embeddings.model_id(tx, model.spec)

    def pipeline(
        self,
        history: FakeHistory | None = None,
        histories: Histories | None = None,
        kept: KeptThumbnails | None = None,
    ) -> Pipeline:
        assert self.decoder is not None
        return Pipeline(
            self.db,
            histories or Histories(self.db, history or self.history),
            self.fetcher,
            self.decoder,
            self.model or self.encoder,
            self.model_id,
            self.settings,
            self.faults,
            kept,
            cluster=self.cluster,
        )

    def live(self, pipeline: Pipeline) -> Live:
        return Live(self.db, pipeline, self.removals, "pictures")

    def fill(self, channels: int, messages: int, every: int = 5, start: int = 0) -> int:
        """Fills channels 1…n with that many messages each. Every `every`-th message has a picture of its own.
        Returns their number.
        """
        picture_count = 0
        for number in range(1, channels + 1):
            if ChannelId(number) not in self.history.listed:
                self.history.channel(number)
            for at in range(start, start + messages):
                links = []
                if at % every == 0:
                    links = [self.cdn.add(f"c{number}-{at}.png", picture(number * 100_000 + at))]
                    picture_count += 1
                self.history.post(number, at * 60, *links, content=f"message {at}")
        return picture_count

    async def consent(self) -> None:
        async with self.db.transaction() as tx:
            await guilds.upsert(tx, Guild(GUILD, "Test"))
            await guilds.set_consent(tx, GUILD, True)


@asynccontextmanager
async def open_cdn() -> AsyncIterator[Cdn]:
    cdn = Cdn()
    app = web.Application()
    app.router.add_get("/attachments/{channel}/{name}", cdn.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # aiohttp tells its port nowhere else
        cdn.host = f"127.0.0.1:{port}"
        yield cdn
    finally:
        if cdn.held is not None:
            cdn.held.set()
        await runner.cleanup()


@asynccontextmanager
async def open_world(data_dir: Path, *, decodes: bool = True) -> AsyncIterator[World]:
    """A new world on `data_dir` (which may contain an earlier run's database). `decodes=False` starts no workers."""
    async with AsyncExitStack() as stack:
        cdn = await stack.enter_async_context(open_cdn())
        settings = Settings(
            data_dir=data_dir,
            fetch=FetchSettings(insecure_hosts=(cdn.host,), use_media_proxy=False),
            decode=DecodeSettings(workers=1),
            crawl=CrawlSettings(),
        )
        db = await stack.enter_async_context(open_database(migrated(data_dir)))
        encoder = Encoder()
        fetcher = await stack.enter_async_context(open_fetcher(settings.fetch, SIZE))
        decoder = (
            await stack.enter_async_context(open_decoder(settings.decode, encoder.pixel_spec)) if decodes else None
        )
        async with db.transaction() as tx:
            model_id = await embeddings.model_id(tx, encoder.spec)
        faults, history = Faults(), FakeHistory(cdn=cdn)
        journal = await asyncio.to_thread(Journal, data_dir / JOURNAL)
        stack.callback(journal.close)
        removals = Removals(db, history, journal, "pictures", faults)
        world = World(db, history, cdn, encoder, fetcher, decoder, model_id, settings, faults, removals)
        await world.consent()
        yield world


def busy(message: str = "busy") -> RetryLater:
    return RetryLater(message, retry_after=0.01)
