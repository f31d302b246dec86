"""An exported message is the same message that Discord tells: same ids, same links, same words."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bot.history.message_parser import parse_message
from indexer.archives import exporter_schema as schema
from indexer.archives.exporter_message import Context, to_channel, to_message
from indexer.records.ids import ChannelId, GuildId
from indexer.records.messages import ChannelKind, Message, PlaceFlag, Source
from sandbox.demo.world import build
from sandbox.export.json_writer import encoded
from sandbox.export.shapes import MessageShapes
from sandbox.export.writer import LOCAL
from sandbox.links import Links
from sandbox.wire.messages import message as on_the_wire
from tests.worlds.exports import CHANNEL, GUILD, attachment, message

SIGNED = "https://cdn.discordapp.com/attachments/2/3/cat.png?ex=66a&is=669&hm=ab&"


class NoFiles:
    def label(self, url: str) -> str | None:
        return None


def parsed(fields: dict[str, Any], **changes: Any) -> Message:
    context = replace(Context(GuildId(GUILD), ChannelId(CHANNEL), NoFiles()), **changes)
    return to_message(schema.message(json.dumps(message(**fields)).encode()), context)


def test_every_message_of_the_demo_is_the_same_from_an_export_as_from_discord() -> None:
    """But for what the exporter leaves out: sizes and alt texts of uploads, and files that components show."""
    demo = build()
    links = Links("https://cdn.discordapp.com", b"secret", demo.world.clock.now_ms)
    shapes = MessageShapes(lambda url, _: url, LOCAL, lambda url: url + "?ex=1&is=1&hm=1")
    compared = 0
    for channel in (*demo.guild.channels.values(), *demo.guild.threads.values()):
        context = Context(GuildId(demo.guild.id), ChannelId(channel.id), NoFiles(), stickers=True)
        for posted in channel.messages():
            if posted.components:
                continue
            told = parse_message(on_the_wire(posted, links), GuildId(demo.guild.id), stickers=True)
            read = to_message(schema.message(encoded(shapes.message(posted)).encode()), context)
            assert (read.id, read.channel_id, read.guild_id, read.author_id) == (
                told.id, told.channel_id, told.guild_id, told.author_id,
            )  # fmt: skip
            assert (read.content, read.edited_ms, read.by_bot) == (told.content, told.edited_ms, told.by_bot)
            by_name = {picture.link: picture for picture in read.pictures}
            for picture in told.pictures:
                if picture.file_name and "." not in picture.file_name:
                    continue  # a picture by its content type alone, which an export does not tell
                other = by_name[picture.link]
                assert (other.source, other.ordinal) == (picture.source, picture.ordinal)
                assert other.flags & ~PlaceFlag.SPOILER == picture.flags & ~PlaceFlag.SPOILER
                compared += 1
    assert compared > 300


def test_an_uploads_address_is_made_again_where_the_export_names_a_file() -> None:
    (picture,) = parsed({"attachments": [attachment("photos.json_Files\\cat-1A2B3.png", "the cat.png")]}).pictures
    assert picture.link == f"https://cdn.discordapp.com/attachments/{CHANNEL}/900000000000000007/the%20cat.png"
    assert (picture.file_name, picture.size) == ("the cat.png", 4_000)


def test_a_signed_address_stays_to_be_fetched_and_is_known_without_its_signature() -> None:
    (picture,) = parsed({"attachments": [attachment(SIGNED)]}).pictures
    assert (picture.url, picture.link) == (SIGNED, "https://cdn.discordapp.com/attachments/2/3/cat.png")


def test_a_forwarded_picture_belongs_to_the_channel_that_it_comes_from() -> None:
    forwarded = {"content": "look", "attachments": [attachment("a/b.png")], "embeds": [], "stickers": []}
    found = parsed({"content": "", "reference": {"type": "Forward", "channelId": "44"}, "forwardedMessage": forwarded})
    assert found.content == "look"
    assert found.pictures[0].link.startswith("https://cdn.discordapp.com/attachments/44/")
    assert found.pictures[0].flags & PlaceFlag.FORWARDED


def test_embeds_of_new_and_old_exports_have_the_link_of_their_source() -> None:
    proxy = "https://images-ext-1.discordapp.net/external/abc-_/https/example.com/a%20b.png"
    queried = "https://images-ext-2.discordapp.net/external/abc/%3Fw%3D9/https/example.com/c.png"
    found = parsed(
        {
            "embeds": [
                {"title": "T", "image": {"url": "x_Files/e.png", "canonicalUrl": "https://example.com/e.png"}},
                {"thumbnail": {"url": proxy, "width": 10, "height": 0}, "video": {"url": "v"}, "images": []},
                {"images": [{"url": queried}, {"url": "x_Files/only.png"}, {"width": 1, "height": 1}]},
            ]
        }
    )
    assert [(picture.source, picture.link) for picture in found.pictures] == [
        (Source.EMBED_IMAGE, "https://example.com/e.png"),
        (Source.EMBED_VIDEO, "https://example.com/a b.png"),
        (Source.EMBED_IMAGE, "https://example.com/c.png?w=9"),
        (Source.EMBED_IMAGE, "export-file:only.png"),
    ]
    assert found.pictures[1].proxy_url == proxy
    assert found.pictures[1].flags == PlaceFlag.EMBEDDED | PlaceFlag.VIDEO


@pytest.mark.parametrize(
    ("form", "link"),
    [("Png", "https://cdn.discordapp.com/stickers/5.png"), ("Apng", "https://cdn.discordapp.com/stickers/5.png"),
     ("Gif", "https://media.discordapp.net/stickers/5.gif"), ("7", "https://cdn.discordapp.com/stickers/5.png"),
     ("Lottie", None)],
)  # fmt: skip
def test_stickers_are_taken_where_they_are_asked_for(form: str, link: str | None) -> None:
    sticker = {"id": "5", "name": "wave", "format": form, "sourceUrl": "x_Files/5.png"}
    assert [picture.link for picture in parsed({"stickers": [sticker]}, stickers=True).pictures] == [link] * bool(link)
    assert parsed({"stickers": [sticker]}).pictures == ()


@pytest.mark.parametrize(
    ("edited", "unix_ms"),
    [("2021-07-19T13:34:18.4790001+02:00", 1626694458479), ("2021-07-19T17:04:18.479+05:30", 1626694458479),
     ("2021-07-19T11:34:18+00:00", 1626694458000), ("2021-07-19T11:34:18", 1626694458000),
     ("yesterday", None), (None, None)],
)  # fmt: skip
def test_times_have_the_offset_of_the_machine_that_exported(edited: str | None, unix_ms: int | None) -> None:
    assert parsed({"timestampEdited": edited}).edited_ms == unix_ms


@pytest.mark.parametrize(("sent", "edited"), [("18:33:55.2210000", "18:35:30"), ("05:03:55", "05:05:30")])
def test_local_times_without_an_offset_are_set_right_by_the_messages_own_id(sent: str, edited: str) -> None:
    """Its id says that it was sent at 13:03:55.221 UTC, so it was edited 95 s later, whatever the zone."""
    found = parsed({"timestamp": f"2021-07-19T{sent}", "timestampEdited": f"2021-07-19T{edited}"})
    assert found.edited_ms == 1_626_699_930_000


@pytest.mark.parametrize(("kind", "said"), [("Default", "hi"), ("Reply", "hi"), ("20", "hi"), ("999", "hi"),
                                            ("ChannelPinnedMessage", ""), ("8", "")])  # fmt: skip
def test_what_the_exporter_makes_up_for_a_notification_is_nobodys_words(kind: str, said: str) -> None:
    assert parsed({"type": kind, "content": "hi"}).content == said


def test_a_bots_message_is_marked_where_bots_are_left_out() -> None:
    author = message()["author"] | {"isBot": True}
    found = parsed({"author": author, "attachments": [attachment("a.png")]}, bots=False)
    assert (found.ignored, found.content, found.pictures) == (True, "", ())
    taken = parsed({"author": author, "attachments": [attachment("a.png")]})
    assert (len(taken.pictures), taken.by_bot, parsed({}).by_bot) == (1, True, False)


@pytest.mark.parametrize(
    ("kind", "expected", "parent"),
    [("GuildTextChat", ChannelKind.TEXT, None), ("GuildPublicThread", ChannelKind.PUBLIC_THREAD, 5),
     ("GuildPrivateThread", ChannelKind.PRIVATE_THREAD, 5), ("GuildForum", ChannelKind.TEXT, None),
     ("DirectGroupTextChat", ChannelKind.TEXT, None), ("11", ChannelKind.PUBLIC_THREAD, 5),
     ("77", ChannelKind.TEXT, None)],
)  # fmt: skip
def test_kinds_of_channels(kind: str, expected: ChannelKind, parent: int | None) -> None:
    found = to_channel(schema.ExportedChannel(9, kind, 5, "Town", "photos"), GuildId(1))
    assert (found.kind, found.parent_id, found.name) == (expected, parent, "photos")


def test_names_of_every_kind_of_letters_come_through() -> None:
    name = "Zoë 日本 😀 \u202e\u200d\u00a0"
    found = parsed({"content": name, "author": message()["author"] | {"nickname": "ﷺ🏳️‍🌈"}})
    assert found.author_name == "ﷺ🏳️‍🌈"
    assert found.content.startswith("Zoë 日本 😀 \u202e\u200d\u00a0")
