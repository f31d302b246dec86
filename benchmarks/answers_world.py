"""A guild of 100,000 pictures that Discord and the index agree on, without downloading one of them.

Its messages stand in a sandbox, so that hits can be looked up there; its rows are written straight into SQLite, with
vectors that behave like CLIP's (benchmarks/index_data.py) and words as common and as rare as people's (Zipf).
"""

from __future__ import annotations

import io
import time
from dataclasses import dataclass

import aiosqlite
import numpy as np
from PIL import Image

from benchmarks import index_data
from indexer.records.ids import ChannelId, ModelId
from indexer.store import spans
from sandbox.server import Sandbox
from sandbox.world import Channel, File, Guild, Member, Message, World

VOCABULARY = 20_000
WORDS = 14  # a message


@dataclass
class Town:
    """A guild, a member who may read all of it, and its picture messages; row i of `vectors` belongs to message i."""

    world: World
    guild: Guild
    member: Member
    talk: Channel
    messages: list[Message]
    vectors: index_data.Data


def picture(seed: int, size: int = 320) -> bytes:
    """A small JPEG, another one for each seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
    held = io.BytesIO()
    Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC).save(held, "JPEG", quality=85)
    return held.getvalue()


def town(rows: int) -> Town:
    """The guild with `rows` picture messages in 50 channels of uneven size."""
    data = index_data.make(rows, queries=8)
    rng = np.random.default_rng(3)
    world = World()
    owner = world.user("owner")
    guild = world.guild("Big Town", owner)
    people = [world.user(f"user{number}") for number in range(200)]
    member = guild.join(people[0])
    rooms = [guild.channel(f"room-{number}") for number in range(index_data.CHANNELS)]
    talk = guild.channel("talk")
    shown = File.drawn("picture.jpg", lambda: picture(0), (320, 320))
    share = 1 / np.arange(1, VOCABULARY + 1)
    spoken = rng.choice(VOCABULARY, (rows, WORDS), p=share / share.sum())
    now_ms, span_ms = round(time.time() * 1000), 5 * 365 * 86_400_000
    times = np.sort(rng.integers(now_ms - span_ms, now_ms - 60_000, rows))
    messages = [
        rooms[int(data.channel[row]) - 1_000].post(
            people[int(data.author[row]) % len(people)],
            " ".join(f"w{word}" for word in spoken[row]),
            files=[shown],
            at_ms=int(times[row]),
        )
        for row in range(rows)
    ]
    return Town(world, guild, member, talk, messages, data)


async def fill(tx: aiosqlite.Connection, town: Town, sandbox: Sandbox, model_id: ModelId) -> None:
    """Writes the guild's rows as a finished crawl would leave them, but without anyone's consent to crawl on."""
    guild = town.guild
    await tx.execute(
        "INSERT INTO guilds (guild_id, name, consent, added_ms) VALUES (?, ?, 0, 0)", (guild.id, guild.name)
    )
    await tx.executemany(
        "INSERT INTO channels (channel_id, guild_id, kind, name) VALUES (?, ?, 'text', ?)",
        [(channel.id, guild.id, channel.name) for channel in guild.channels.values()],
    )
    authors = {message.author.id: message.author.name for message in town.messages}
    await tx.executemany("INSERT INTO users (user_id, name) VALUES (?, ?)", authors.items())
    await tx.executemany(
        "INSERT INTO messages (message_id, guild_id, channel_id, author_id, checked_ms) VALUES (?, ?, ?, ?, 0)",
        [(message.id, guild.id, message.channel.id, message.author.id) for message in town.messages],
    )
    await tx.executemany(
        "INSERT INTO texts (message_id, content, file_names) VALUES (?, ?, 'picture.jpg')",
        [(message.id, message.content) for message in town.messages],
    )
    rng = np.random.default_rng(4)
    hashes = rng.integers(-(2**63), 2**63 - 1, len(town.messages))
    await tx.executemany(
        "INSERT INTO pictures (picture_id, sha256, perceptual_hash, width, height, format, frame_count, byte_count,"
        " state) VALUES (?, ?, ?, 320, 320, 'JPEG', 1, 60000, 'ready')",
        [(row + 1, row.to_bytes(32, "big"), int(hashes[row])) for row in range(len(town.messages))],
    )
    await tx.executemany(
        "INSERT INTO places (message_id, guild_id, ordinal, picture_id, source, link, file_name, state)"
        " VALUES (?, ?, 0, ?, 'attachment', ?, 'picture.jpg', 'ready')",
        [(message.id, guild.id, row + 1, link(sandbox, message)) for row, message in enumerate(town.messages)],
    )
    await tx.executemany(
        "INSERT INTO embeddings (picture_id, model_id, vector) VALUES (?, ?, ?)",
        [(row + 1, model_id, town.vectors.vectors[row].tobytes()) for row in range(len(town.messages))],
    )
    for channel in guild.channels.values():
        await spans.cover(tx, ChannelId(channel.id), 0, town.messages[-1].id)


def link(sandbox: Sandbox, message: Message) -> str:
    """The bare link of a message's only attachment."""
    attachment = message.attachments[0]
    return f"{sandbox.base_url}/attachments/{message.channel.id}/{attachment.id}/{attachment.file.name}"
