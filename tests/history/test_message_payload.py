"""discord.py's message objects turned back into payloads: what is found live is what history shows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import discord
import pytest

from bot.history.message_parser import parse_message
from bot.history.message_payload import attachment_payload, payload_of
from indexer.model import ChannelId, GuildId, Message, MessageId, PlaceFlag
from sandbox.server import open_sandbox
from sandbox.world import Channel, Embed, File, User, World
from sandbox.world import Message as Posted
from tests.worlds.crawling import logged_in
from tests.worlds.picture_files import picture

Post = Callable[[World, Channel, User], Posted]


def files(world: World, chat: Channel, mara: User) -> Posted:
    shown = File.of("SPOILER_a.png", picture(1), description="a red field")
    hidden = File.of("b.png", picture(2), spoiler=True)
    return chat.post(mara, "look", files=[shown, hidden, File.of("notes.txt", b"no picture")])


def animated(world: World, chat: Channel, mara: User) -> Posted:
    moving = File("wave.webp", lambda: picture(3), 900, 10, 10, "image/webp", None, 32)
    return chat.post(mara, files=[moving])


def embed(world: World, chat: Channel, mara: User) -> Posted:
    hosted = world.host("https://example.org/cat.png", File.of("cat.png", picture(4)))
    return chat.post(mara, hosted.url, embeds=[Embed("A cat", "on a mat", hosted.url, "article", thumbnail=hosted)])


def forward(world: World, chat: Channel, mara: User) -> Posted:
    return chat.post(mara, forward=files(world, chat, mara))


def sticker(world: World, chat: Channel, mara: User) -> Posted:
    return chat.post(mara, stickers=[world.sticker("wave", File.of("wave.png", picture(5)))])


def components(world: World, chat: Channel, mara: User) -> Posted:
    def named(name: str) -> dict[str, Any]:
        return {"url": f"attachment://{name}"}

    gallery = {"type": 12, "items": [{"media": named("g.png"), "description": "first", "spoiler": True}]}
    thumbnail = {"type": 11, "media": named("t.png"), "description": "second"}
    section = {"type": 9, "components": [{"type": 10, "content": "words"}], "accessory": thumbnail}
    file = {"type": 13, "file": named("f.png")}
    return chat.post(
        world.user("gallery", bot=True),
        components=[{"type": 17, "components": [gallery, section]}, file],
        files=[File.of(f"{name}.png", picture(number)) for number, name in enumerate("gtf")],
    )


@pytest.mark.parametrize("post", [files, animated, embed, forward, sticker, components])
async def test_a_live_message_is_read_like_the_same_message_of_history(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    mara = world.user("mara", "Mara")
    guild = world.guild("Meadow", mara)
    chat = guild.channel("chat")
    async with open_sandbox(world) as sandbox, logged_in(sandbox, monkeypatch, stickers=True) as history:
        live: list[discord.Message] = []

        async def on_message(message: discord.Message) -> None:
            live.append(message)

        history._client.event(on_message)
        posted = post(world, chat, mara)
        async with asyncio.timeout(20):
            while not any(message.id == posted.id for message in live):  # noqa: ASYNC110 -- the last of several
                await asyncio.sleep(0.01)
        message = next(message for message in live if message.id == posted.id)
        heard = history.parse(payload_of(message), GuildId(guild.id))
        read = await history.message(ChannelId(chat.id), MessageId(posted.id))
    assert read is not None
    assert read.pictures
    assert _unsigned(heard) == _unsigned(read)


def _unsigned(message: Message) -> tuple[object, ...]:
    """Everything but the signatures of links, which are new each time."""
    pictures = tuple(
        (p.ordinal, p.source, p.link, p.file_name, p.alt_text, p.content_type, p.size, p.width, p.height, p.flags)
        for p in message.pictures
    )
    return (message.id, message.channel_id, message.author_id, message.author_name, message.content, pictures)


async def test_an_uploaded_option_is_an_attachment_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    mara = world.user("mara")
    guild = world.guild("Meadow", mara)
    chat = guild.channel("chat")
    async with open_sandbox(world) as sandbox, logged_in(sandbox, monkeypatch) as history:
        heard = asyncio.ensure_future(history._client.wait_for("message", timeout=20))
        await asyncio.sleep(0)
        files(world, chat, mara)
        message = await heard
    payload = attachment_payload(message.attachments[0])
    body = {"id": "1", "channel_id": "2", "author": {"id": "3"}, "attachments": [payload]}
    (ref,) = parse_message(body, GuildId(1)).pictures
    assert ref.flags & PlaceFlag.SPOILER
    assert ref.alt_text == "a red field"
