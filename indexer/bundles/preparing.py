"""What comes before the messages of a bundle, after the promises: servers, channels, origins, models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import aiosqlite

from indexer.bundles.ownership import Ownership
from indexer.database.database import first
from indexer.records.collections import COLLECTION_KIND
from indexer.records.ids import DISCORD, MADE_UP, ChannelId, GuildId, ModelId, OriginId, UserId
from indexer.records.messages import Channel, ChannelKind, Guild
from indexer.records.pictures import ModelSpec
from indexer.store import application, audit, channels, embeddings, guilds, origins

BUNDLE_KIND = "bundle"  # of the origin that messages of another bot's bundle have
# Of an archive that a bundle alone names: this comes before its own kind, so that nobody opens what is at its location.
UNOPENED = BUNDLE_KIND + " "


class Counted(Protocol):
    """Where it is noted what came along. `opt_outs` came before."""

    opt_outs: int
    skipped: list[str]


@dataclass(frozen=True, slots=True)
class Prepared:
    """How the bundle's numbers read here. `origins`: each origin of it → the one that its messages have here.
    `spans_of`: the origins whose spans count here too. `told_by_discord`: its word is Discord's. `skipped_channels`
    belong to another server here, or to a collection that cannot come in. `bots` and `own`: authors who are bots, and
    this folder's bot. `messages`: how many there are. `with_paths`: its paths of files are stored.
    """

    origins: Mapping[int, OriginId]
    spans_of: Mapping[int, OriginId]
    told_by_discord: bool
    skipped_channels: frozenset[ChannelId]
    bots: frozenset[UserId]
    own: frozenset[UserId]
    messages: int
    with_paths: bool

    def unwanted_authors(self, with_bots: bool) -> frozenset[UserId]:
        return self.own if with_bots else self.own | self.bots


async def prepare(tx: aiosqlite.Connection, ownership: Ownership, counted: Counted) -> Prepared:
    """Stores all of it in the transaction `tx`, where the bundle is attached as `bundle`."""
    own = await application.get(tx)
    told_by_discord = ownership.is_discords_word(own)
    if own is None and ownership.application_id is not None:
        await application.claim(tx, ownership.application_id, adopt=False)
    here, spans_of = await _origins(tx, ownership, told_by_discord)
    skipped = await _channels(tx, here, await _guilds(tx, here, told_by_discord, counted))
    models = await _models(tx)
    await tx.executemany("INSERT INTO temp.incoming_origins VALUES (?, ?)", list(here.items()))
    await tx.executemany("INSERT INTO temp.incoming_models VALUES (?, ?)", list(models.items()))
    bots = await tx.execute_fetchall("SELECT user_id FROM bundle.users WHERE bot = 1")
    detail = {"application": ownership.application_id, "discord": told_by_discord, "opt_outs": counted.opt_outs}
    await audit.add(tx, "bundle.import", detail=detail)
    own_authors = {UserId(bot) for bot in (own, ownership.application_id if told_by_discord else None) if bot}
    ((messages,),) = await tx.execute_fetchall("SELECT count(*) FROM bundle.messages")
    return Prepared(
        here,
        spans_of,
        told_by_discord,
        skipped,
        frozenset(UserId(user) for (user,) in bots),
        frozenset(own_authors),
        messages,
        ownership.same_machine,
    )


async def _origins(
    tx: aiosqlite.Connection, ownership: Ownership, told_by_discord: bool
) -> tuple[dict[int, OriginId], dict[int, OriginId]]:
    """Archives keep their names. Of one that is known here in another version, nothing counts as read.

    One that is new here is opened by nobody where the rows are of another machine: somebody has to import it here.
    """
    here: dict[int, OriginId] = {0: DISCORD}
    spans_of: dict[int, OriginId] = {0: DISCORD}
    if not told_by_discord:
        origin = await origins.note(tx, BUNDLE_KIND, ownership.source, ownership.version)
        here[0] = origin.id
        del spans_of[0]
    rows = await tx.execute_fetchall("SELECT origin_id, kind, location, version FROM bundle.origins ORDER BY 1")
    for origin_id, its_kind, location, version in rows:
        kind = its_kind if ownership.same_machine else UNOPENED + its_kind.removeprefix(UNOPENED)
        known = await first(
            tx,
            "SELECT origin_id, version FROM main.origins WHERE kind IN (?1, ?2) AND location = ?3 ORDER BY kind = ?2",
            (its_kind, kind, location),
        )
        if known is not None:
            here[origin_id] = OriginId(known[0])
            if known[1] == version:
                spans_of[origin_id] = here[origin_id]
            continue
        folders = await tx.execute_fetchall(
            "SELECT j.value FROM bundle.origins o, json_each(o.media_folders) j"
            " WHERE o.origin_id = ? AND j.type = 'text'",
            (origin_id,),
        )
        media_folders = [folder for (folder,) in folders] if ownership.same_machine else []
        origin = await origins.note(tx, kind, location, version, media_folders)
        here[origin_id] = spans_of[origin_id] = origin.id
    return here, spans_of


async def _guilds(
    tx: aiosqlite.Connection, here: Mapping[int, OriginId], told_by_discord: bool, counted: Counted
) -> frozenset[GuildId]:
    """Returns the collections that cannot come in: another folder's has their number here, which is made up."""
    skipped = set()
    rows = await tx.execute_fetchall("SELECT guild_id, name, consent, origin_id FROM bundle.guilds ORDER BY 1")
    for guild_id, name, consent, origin_id in rows:
        guild = Guild(GuildId(guild_id), name)
        if guild_id >= MADE_UP and await _is_another_folder(tx, guild.id, here[origin_id]):
            skipped.add(guild.id)
            counted.skipped.append(name)
            continue
        is_new = await guilds.get(tx, guild.id) is None
        await guilds.upsert(tx, guild, here[origin_id])
        if consent and told_by_discord:
            await guilds.set_consent(tx, guild.id, True)
        if is_new:
            await tx.execute_fetchall(
                "INSERT OR IGNORE INTO tried_models (guild_id, model_id)"
                " SELECT t.guild_id, m.model_id FROM bundle.tried_models t JOIN bundle.models b USING (model_id)"
                " JOIN main.models m USING (name, pretrained, dimension, fingerprint) WHERE t.guild_id = ?",
                (guild.id,),
            )
    return frozenset(skipped)


async def _is_another_folder(tx: aiosqlite.Connection, guild_id: GuildId, origin_id: OriginId) -> bool:
    row = await first(
        tx,
        "SELECT 1 FROM main.guilds g JOIN main.origins o USING (origin_id)"
        " WHERE g.guild_id = ? AND o.kind IN (?, ?) AND g.origin_id != ?",
        (guild_id, COLLECTION_KIND, UNOPENED + COLLECTION_KIND, origin_id),
    )
    return row is not None


async def _channels(
    tx: aiosqlite.Connection, here: Mapping[int, OriginId], skipped_guilds: frozenset[GuildId]
) -> frozenset[ChannelId]:
    """Returns those that stay out. Of a server that was left, an archive may count channels as direct messages."""
    elsewhere = await tx.execute_fetchall(
        "SELECT b.channel_id FROM bundle.channels b JOIN main.channels c USING (channel_id)"
        " WHERE c.guild_id != b.guild_id"
    )
    skipped = {ChannelId(channel_id) for (channel_id,) in elsewhere}
    rows = await tx.execute_fetchall(
        "SELECT channel_id, guild_id, kind, name, parent_id, age_restricted, archived, origin_id FROM bundle.channels"
        " ORDER BY channel_id"
    )
    skipped |= {ChannelId(row[0]) for row in rows if row[1] in skipped_guilds}
    await channels.upsert(
        tx,
        [
            Channel(
                ChannelId(channel_id),
                GuildId(guild_id),
                ChannelKind(kind),
                name,
                None if parent_id is None else ChannelId(parent_id),
                bool(age_restricted),
                bool(archived),
                here[origin_id],
            )
            for channel_id, guild_id, kind, name, parent_id, age_restricted, archived, origin_id in rows
            if channel_id not in skipped
        ],
    )
    return frozenset(skipped)


async def _models(tx: aiosqlite.Connection) -> dict[int, ModelId]:
    rows = await tx.execute_fetchall("SELECT model_id, name, pretrained, dimension, fingerprint FROM bundle.models")
    return {number: await embeddings.model_id(tx, ModelSpec(*spec)) for number, *spec in rows}
