"""Everything that is open while the bot runs, opened in one place and closed in reverse."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from indexer.api_keys import ApiKeys
from indexer.backoff import Backoff
from indexer.backup.daily import NAME as BACKUP
from indexer.backup.daily import DailyBackup
from indexer.backup.work_folder import delete_left
from indexer.caches import Caches
from indexer.crawl.histories import Histories, OpenArchive
from indexer.crawl.hit_verifier import HitVerifier
from indexer.crawl.live import Live
from indexer.crawl.on_demand import OnDemand
from indexer.crawl.removals import NAME as REMOVALS
from indexer.crawl.removals import GuildLeft, OptedOut, Removals
from indexer.database.database import Database, open_database
from indexer.deletions import NAME as DELETIONS
from indexer.deletions import Deletions
from indexer.disk_notices import DiskNotices
from indexer.encode.cluster_files import ClusterFiles
from indexer.encode.encoder import open_encoder
from indexer.features.kept_features import KeptFeatures
from indexer.hit_pictures import HitPictures
from indexer.hit_thumbnails import HitThumbnails
from indexer.ingest.pipeline import Pipeline
from indexer.jobs import Jobs
from indexer.long_work import LongWork, open_long_work
from indexer.notices.saved_notices import SavedNotices
from indexer.notices.saved_searches import SavedSearches
from indexer.notices.watched_pictures import WatchedPictures
from indexer.opening import accelerator_of, former_models, open_index, open_journal
from indexer.picture_texts.opening import open_lane, wanted_readers
from indexer.picture_texts.requests import TextRequests
from indexer.pictures.decoder import READERS_VERSION, Decoder, open_decoder
from indexer.pictures.fetch import Fetcher, open_fetcher
from indexer.ports import Encoder, History
from indexer.questions import Questions
from indexer.records.ids import EVERYWHERE, GuildId, ModelId, Serves, UserId, serves_all
from indexer.records.picture_texts import TextKind
from indexer.reports.reports import Reports
from indexer.reports.status import Status
from indexer.search.copy_checker import open_copy_checker
from indexer.search.model_switch import GuildSearcher, OpenModel, open_searcher
from indexer.search.pair_comparer import NAME as PAIRS
from indexer.search.pair_comparer import PairComparer
from indexer.search.reposts import RepostFinder
from indexer.settings import Settings
from indexer.store import application, audit, authors, embeddings, opt_outs, places
from indexer.store.emptying import empty
from indexer.supervisor import Faults, supervised
from indexer.tags import Tags
from indexer.thumbnails.kept_thumbnails import KeptThumbnails
from indexer.upkeep import Upkeep
from indexer.vectors.index import VectorIndex

if TYPE_CHECKING:  # imported where they are configured
    from indexer.fleet.lease import Lease
    from indexer.fleet.promises import Promises
    from indexer.search.second_model import OpenReranker

logger = logging.getLogger(__name__)

UPKEEP_RESTARTS = Backoff(tries=0, first_s=15.0, longest_s=300.0)


@dataclass(frozen=True, slots=True)
class Service:
    """The open indexer. Its parts may be used from any task of its event loop."""

    settings: Settings
    db: Database
    histories: Histories
    index: VectorIndex
    reports: Reports
    upkeep: Upkeep
    encoder: Encoder
    decoder: Decoder
    fetcher: Fetcher
    cluster_files: ClusterFiles
    pipeline: Pipeline
    live: Live
    on_demand: OnDemand
    searcher: GuildSearcher
    hit_verifier: HitVerifier
    hit_pictures: HitPictures
    long_work: LongWork
    reposts: RepostFinder
    pairs: PairComparer
    jobs: Jobs
    removals: Removals
    disk_notices: DiskNotices
    backups: DailyBackup
    api_keys: ApiKeys
    thumbnails: HitThumbnails
    kept_thumbnails: KeptThumbnails
    caches: Caches
    tags: Tags
    deletions: Deletions
    saved_searches: SavedSearches
    saved_notices: SavedNotices
    watched_pictures: WatchedPictures
    ocr: TextRequests
    captions: TextRequests
    promises: Promises | None  # None: `fleet.storage` is empty
    lease: Lease | None  # None: there is none, by `fleet.lease_s`
    faults: Faults  # of all background work, the bot's too
    model_id: ModelId

    async def status(self) -> Status:
        return await self.reports.status()

    async def consented(self) -> frozenset[GuildId]:
        return await self.reports.consented()

    async def claim(self, application_id: int, *, adopt: bool) -> int | None:
        """Records that this application (Discord's word for a bot's account) reads into the data folder.

        Raises StorageError where the folder is another application's, unless `adopt`: then it is this one's from now
        on, and the former one's id is returned.
        """
        async with self.db.transaction(durable=True) as tx:
            return await application.claim(tx, application_id, adopt=adopt)

    async def forget_guild(self, guild_id: GuildId) -> None:
        """The bot has left: all that was read there goes, from the database and from the sealed files.

        Where the database is busy, that is written down and repeated until it is done.
        """
        await self.removals.write_down(GuildLeft(guild_id))
        await self.jobs.drop(guild_id)
        if await self.removals.carry_out(GuildLeft(guild_id)) is not None:
            await self.index.maintain(self.db, guild_id)

    async def forget_user(
        self, user_id: UserId, where: GuildId = EVERYWHERE, *, by: UserId | None = None
    ) -> int | None:
        """Deletes what is stored of this author there and never stores anything again; returns how many messages went.

        Durable when it returns: this is a promise to a person. None where the database is busy: then it is written down
        and repeated until it is done.
        """
        return await self.removals.carry_out(OptedOut(user_id, where, by))

    async def made_safe(self, within_s: float = 5.0) -> bool:
        """Whether what was promised until now outlives this machine, as far as `fleet.storage` says that it should.

        False: the storage did not answer in this time. It is kept here, and goes there as soon as it can.
        """
        return self.promises is None or await self.promises.made_safe(within_s)

    async def forget_own(self, bot_id: UserId) -> int:
        """Deletes the bot's own messages, which earlier versions stored; returns how many there were.

        Shared replies among them show pictures and words of members who were forgotten since.
        """
        deleted = await empty(self.db, author_id=bot_id)
        if deleted:
            async with self.db.transaction(durable=True) as tx:
                await audit.add(tx, "own.forget", actor_id=bot_id, detail={"messages": deleted})
        return deleted

    async def forget_bots(self) -> int:
        """Deletes what bots and webhooks posted while `crawl.bots` was true; returns how many messages.

        Of what earlier versions stored nobody knows who is a bot: that goes when the sweep reads it again.
        """
        async with self.db.reader() as connection:
            bots = await authors.bots(connection)
        deleted = sum([await empty(self.db, author_id=author_id) for author_id in bots])
        if deleted:
            async with self.db.transaction() as tx:
                await audit.add(tx, "bots.forget", detail={"messages": deleted})
        return deleted

    async def welcome_back(self, user_id: UserId, guild_id: GuildId) -> None:
        """Takes back the author's opt-outs of this guild and of everywhere. Raises RetryLater."""
        await self.removals.settle(lambda removal: isinstance(removal, OptedOut) and removal.user_id == user_id)
        async with self.db.transaction(durable=True) as tx:
            for where in (guild_id, EVERYWHERE):
                await opt_outs.remove(tx, user_id, where)
            await audit.add(tx, "privacy.return", guild_id=guild_id, actor_id=user_id)


@asynccontextmanager
async def open_service(
    settings: Settings,
    history: History | None,
    encoder: Encoder | None = None,
    open_model: OpenModel | None = None,
    open_archive: OpenArchive | None = None,
    open_reranker: OpenReranker | None = None,
    serves: Serves = serves_all,
    waits: Callable[[str], None] = lambda reason: None,
    *,
    fleet: bool = False,
) -> AsyncIterator[Service]:
    """Everything, writing, until the block ends. `history` is Discord's; None: this process has no connection to it.

    `open_archive` opens archives that messages were read from. `encoder` stands in for the configured model,
    `open_model` for the way to those that were configured before, `open_reranker` for the second model. `serves`: which
    guilds this process reads; what the data folder has of others is neither changed nor forgotten. `waits` takes why
    the opening waits for another process, and "" when it goes on. `fleet`: the cluster is joined at once and until the
    end, and this machine loads its model only where somebody asks it.

    At the end, in this order: no more history is read, what is in the pipeline stays pending, the model and the workers
    go, the database closes. Raises Stop (ConfigError, StorageError, ModelUnavailable) where something cannot be opened.
    """
    faults = Faults()
    text_readers = wanted_readers(settings)
    async with AsyncExitStack() as stack:
        lease = None
        if settings.fleet.storage and settings.fleet.lease_s:
            from indexer.fleet.lease import open_lease

            lease = await stack.enter_async_context(open_lease(settings.fleet, waits))
        db = await stack.enter_async_context(
            open_database(
                settings.data_dir,
                min_free_bytes=settings.storage.min_free_bytes,
                fence=None if lease is None else lease.require,
            )
        )
        await asyncio.to_thread(delete_left, settings.data_dir)
        await db.room.look()
        histories = Histories(db, history, open_archive)
        cluster_files = ClusterFiles(settings, READERS_VERSION, faults)
        if fleet:
            await stack.enter_async_context(cluster_files.joined())
        if encoder is None and settings.model.runtime == "ray":
            from indexer.encode.cluster_encoder import open_cluster_encoder  # not imported where there is no cluster

            encoder = await stack.enter_async_context(open_cluster_encoder(settings, faults))
        elif encoder is None:
            model = settings.with_exports(settings.model)
            opening = open_encoder(model, faults, data_dir=settings.data_dir, wake=not fleet)
            encoder = await stack.enter_async_context(opening)
        await cluster_files.must_be_like(encoder)
        async with db.transaction() as tx:
            model_id = await embeddings.model_id(tx, encoder.spec)
            again = await places.retry_for(tx, READERS_VERSION)
        if again:
            logger.info("%d pictures that an earlier version could not read are tried once more", again)
        index = await stack.enter_async_context(open_index(db, settings, accelerator_of(settings.model)))
        long_work = await stack.enter_async_context(open_long_work())
        decoder = await stack.enter_async_context(open_decoder(settings.decode, encoder.pixel_spec))
        fetcher = await stack.enter_async_context(open_fetcher(settings.fetch, encoder.pixel_spec.size))
        kept = await stack.enter_async_context(KeptThumbnails(db, settings))
        keep = settings.crawl.keep
        hit_verifier = HitVerifier(db, histories.discord, keep, faults)
        hit_pictures = HitPictures(settings.fetch.max_download_bytes, hit_verifier, fetcher)
        thumbnails = HitThumbnails(db, hit_pictures, decoder, kept)
        questions = Questions()
        checker = await stack.enter_async_context(open_copy_checker(thumbnails, decoder, faults))
        features = await stack.enter_async_context(KeptFeatures(db, settings))
        second = None
        if settings.rerank.enabled:
            from indexer.reranking import open_reranking  # nothing of it is imported where there is no second model

            second = await stack.enter_async_context(
                open_reranking(db, settings, features, lambda _: thumbnails, faults, open_reranker)
            )
        searcher = await stack.enter_async_context(
            open_searcher(
                db,
                index,
                encoder,
                model_id,
                settings.search,
                open_model or former_models(settings),
                checker,
                questions,
                second,
            )
        )
        pipeline = await stack.enter_async_context(
            Pipeline(db, histories, fetcher, decoder, encoder, model_id, settings, faults, kept, serves, cluster_files)
        )
        journal = await stack.enter_async_context(open_journal(settings))
        wished = asyncio.Event()
        connected = history is not None
        reading = await stack.enter_async_context(
            open_lane(text_readers, db, hit_pictures, questions, wished, faults, connected=connected)
        )
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        removals = Removals(db, histories.discord, journal, keep, faults)
        await removals.take_up()
        jobs = Jobs(db, pipeline, tasks, faults, serves)
        purge_after_s = settings.index.purge_after_s
        upkeep = Upkeep(db, index, kept, features)

        async def keep_up() -> None:
            await upkeep.keep(purge_after_s, jobs.ended, lambda: jobs.idle)

        deletions = Deletions(db)
        promises, exchanging, elsewhere = None, [], None
        if settings.fleet.storage:
            from indexer.fleet.backups import StoredBackups
            from indexer.fleet.keeping import InService  # nothing of it is imported where there is no storage
            from indexer.fleet.promises import NAME as PROMISES
            from indexer.fleet.promises import open_promises

            keeping = InService(removals, deletions)
            promises = await stack.enter_async_context(open_promises(db, settings.fleet, keeping))
            exchanging = [(PROMISES, promises.run, None)]
            elsewhere = StoredBackups(promises.storage, settings.fleet.name)
        if lease is not None:
            exchanging.append(("lease", lease.watch, None))
        backups = DailyBackup(db, settings, elsewhere)
        downloads = settings.search.compare_downloads
        pairs = PairComparer(db, index, model_id, thumbnails, decoder, lambda: jobs.idle, downloads)
        background = [
            tasks.create_task(supervised(name, work, faults, backoff=backoff), name=name)
            for name, work, backoff in (
                (REMOVALS, removals.repeat, None),
                ("room on the disk", db.room.watch, None),
                ("upkeep", keep_up, UPKEEP_RESTARTS),
                (BACKUP, lambda: backups.run(faults), None),
                (DELETIONS, deletions.repeat, None),
                *(() if fleet else (("baseline", searcher.learn_baseline, None),)),  # it asks this machine's model
                (PAIRS, pairs.keep, None),
                *reading,
                *exchanging,
            )
        ]
        remembered = {**searcher.remembered, "small copies": thumbnails.remembered, "comparisons": checker.remembered}
        try:
            yield Service(
                settings=settings,
                db=db,
                histories=histories,
                index=index,
                reports=Reports(db),
                upkeep=upkeep,
                encoder=encoder,
                decoder=decoder,
                fetcher=fetcher,
                cluster_files=cluster_files,
                pipeline=pipeline,
                live=Live(db, pipeline, removals, keep, serves),
                on_demand=OnDemand(db, histories.discord, pipeline, model_id, keep),
                searcher=searcher,
                hit_verifier=hit_verifier,
                hit_pictures=hit_pictures,
                long_work=long_work,
                reposts=RepostFinder(db, long_work, searcher),
                pairs=pairs,
                jobs=jobs,
                removals=removals,
                disk_notices=DiskNotices(db),
                backups=backups,
                api_keys=ApiKeys(db),
                thumbnails=thumbnails,
                kept_thumbnails=kept,
                caches=Caches(db, settings, kept, features, remembered, pipeline.known_and_embedded),
                tags=Tags(db),
                deletions=deletions,
                saved_searches=SavedSearches(db),
                saved_notices=SavedNotices(db),
                watched_pictures=WatchedPictures(db, searcher, thumbnails, decoder),
                ocr=TextRequests(db, TextKind.OCR, wished, enabled=settings.ocr.enabled),
                captions=TextRequests(db, TextKind.CAPTION, wished, enabled=settings.captions.enabled),
                promises=promises,
                lease=lease,
                faults=faults,
                model_id=model_id,
            )
        finally:
            await jobs.drain()
            for task in background:
                task.cancel()
