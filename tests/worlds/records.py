"""Guilds, channels, messages and pictures for the storage tests, made from a few numbers."""

from __future__ import annotations

import hashlib

import aiosqlite
import numpy as np

from indexer.database.database import Database
from indexer.records.ids import ChannelId, GuildId, MessageId, UserId
from indexer.records.messages import Channel, ChannelKind, Guild, Message, PictureRef, Source
from indexer.records.pictures import DecodedPicture, ModelSpec, Vectors
from indexer.store import channels, guilds

GUILD = GuildId(1)
CHANNEL = ChannelId(10)
AUTHOR = UserId(100)
MODEL = ModelSpec("tiny", "none", 4, "00ff")


def picture(link: str = "https://cdn.example/1/a.png", ordinal: int = 0, **more: object) -> PictureRef:
    fields = {"source": Source.ATTACHMENT, "url": f"{link}?ex=1", "file_name": link.rsplit("/", 1)[-1], **more}
    return PictureRef(ordinal=ordinal, link=link, **fields)  # type: ignore[arg-type]  # the test names the fields


def message(
    number: int,
    *pictures: PictureRef,
    content: str = "",
    channel: int = CHANNEL,
    guild: int = GUILD,
    author: int = AUTHOR,
    author_name: str = "Ada",
    edited_ms: int | None = None,
) -> Message:
    return Message(
        id=MessageId(number),
        channel_id=ChannelId(channel),
        guild_id=GuildId(guild),
        author_id=UserId(author),
        author_name=author_name,
        content=content,
        edited_ms=edited_ms,
        pictures=pictures,
    )


def channel(number: int = CHANNEL, guild: int = GUILD, parent: int | None = None) -> Channel:
    kind = ChannelKind.TEXT if parent is None else ChannelKind.PUBLIC_THREAD
    parent_id = None if parent is None else ChannelId(parent)
    return Channel(ChannelId(number), GuildId(guild), kind, f"channel-{number}", parent_id=parent_id)


def decoded(content: str, frame_count: int = 1) -> DecodedPicture:
    sha256 = hashlib.sha256(content.encode()).digest()
    return DecodedPicture(
        sha256=sha256,
        frames=(),
        width=640,
        height=480,
        format="PNG",
        frame_count=frame_count,
        byte_count=len(content),
        perceptual_hash=int.from_bytes(sha256[:8], "big"),
    )


def vector(seed: int, dimension: int = MODEL.dimension) -> Vectors:
    values = np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)
    return np.asarray(values / np.linalg.norm(values), dtype=np.float32)


async def settle(database: Database, *numbers: int, guild: int = GUILD) -> None:
    """Makes a consenting guild and makes these channels known."""
    async with database.transaction() as tx:
        await guilds.upsert(tx, Guild(GuildId(guild), f"guild {guild}"))
        await guilds.set_consent(tx, GuildId(guild), True)
        await channels.upsert(tx, [channel(number, guild) for number in numbers or (CHANNEL,)])


async def matching(connection: aiosqlite.Connection, words: str) -> set[int]:
    """The messages that the word index finds."""
    rows = await connection.execute_fetchall("SELECT rowid FROM words WHERE words MATCH ?", (words,))
    return {number for (number,) in rows}


async def count(connection: aiosqlite.Connection, table: str) -> int:
    ((number,),) = await connection.execute_fetchall(f"SELECT count(*) FROM {table}")
    return int(number)
