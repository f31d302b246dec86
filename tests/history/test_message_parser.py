"""Raw payloads → messages: every place a picture can live, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.history.message_parser import parse_message, shows_nothing
from indexer.picture_links import bare_link
from indexer.records.ids import GuildId
from indexer.records.messages import Message, PictureRef, PlaceFlag, Source

GUILD = GuildId(1)
CDN = "https://cdn.discordapp.com/attachments/1/2"
PROXY = "https://media.discordapp.net/attachments/1/2"
SIGNED = "?ex=65a&is=65b&hm=abc"


def payload(**parts: Any) -> dict[str, Any]:
    return {
        "id": "175928847299117063",
        "channel_id": "41771983423143937",
        "type": 0,
        "author": {"id": "53908099506183680", "username": "mara", "global_name": "Mara"},
        "content": "",
        "edited_timestamp": None,
        "attachments": [],
        "embeds": [],
        **parts,
    }


def attachment(name: str = "cat.png", **more: Any) -> dict[str, Any]:
    return {
        "id": "9",
        "filename": name,
        "size": 1000,
        "url": f"{CDN}/{name}{SIGNED}",
        "proxy_url": f"{PROXY}/{name}{SIGNED}",
        "width": 640,
        "height": 480,
        "content_type": "image/png",
        "flags": 0,
        **more,
    }


def parsed(**parts: Any) -> Message:
    return parse_message(payload(**parts), GUILD)


def only(**parts: Any) -> PictureRef:
    (ref,) = parsed(**parts).pictures
    return ref


def test_a_message_is_who_when_where_and_what() -> None:
    message = parsed(content="hello", edited_timestamp="2024-05-01T12:00:00.500000+00:00")
    assert (message.id, message.channel_id, message.guild_id) == (175928847299117063, 41771983423143937, 1)
    assert (message.author_id, message.author_name, message.content) == (53908099506183680, "Mara", "hello")
    assert message.edited_ms == 1714564800500
    assert message.pictures == ()


def test_a_user_without_a_display_name_goes_by_their_name() -> None:
    author = {"id": "5", "username": "old_name", "global_name": None}
    assert parsed(author=author).author_name == "old_name"


def test_an_attachment_keeps_its_fresh_link_and_is_known_by_its_bare_one() -> None:
    ref = only(attachments=[attachment(description="a black cat", title="Größe")])
    assert ref.link == f"{CDN}/cat.png"
    assert ref.url == f"{CDN}/cat.png{SIGNED}"
    assert ref.proxy_url == f"{PROXY}/cat.png{SIGNED}"
    assert (ref.source, ref.alt_text, ref.file_name) == (Source.ATTACHMENT, "a black cat", "Größe.png")
    assert (ref.width, ref.height, ref.size, ref.content_type) == (640, 480, 1000, "image/png")


@pytest.mark.parametrize("more", [{"flags": 8}, {"filename": "SPOILER_cat.png"}], ids=["flag", "prefix"])
def test_a_spoiler_is_known_by_its_flag_or_by_its_name(more: dict[str, Any]) -> None:
    assert only(attachments=[attachment(**more)]).flags & PlaceFlag.SPOILER


def test_an_animated_picture_is_known_by_its_flag_or_by_its_name() -> None:
    assert only(attachments=[attachment(flags=32)]).flags & PlaceFlag.ANIMATED
    assert only(attachments=[attachment("wave.gif", content_type="image/gif")]).flags & PlaceFlag.ANIMATED
    assert not only(attachments=[attachment()]).flags & PlaceFlag.ANIMATED


@pytest.mark.parametrize(
    ("name", "more", "taken"),
    [
        ("cat.png", {"content_type": None}, True),
        ("cat", {"content_type": None}, True),  # Discord measured it
        ("cat", {"content_type": None, "width": None, "height": None}, False),
        ("notes.txt", {"content_type": "text/plain", "width": None, "height": None}, False),
        ("really.png", {"content_type": "text/plain", "width": None, "height": None}, True),  # the bytes will tell
        ("voice.ogg", {"content_type": "audio/ogg", "width": None, "height": None}, False),
        ("old.bmp", {"content_type": "image/bmp", "width": None, "height": None}, True),
    ],
)
def test_what_may_be_a_picture_is_tried_and_what_cannot_be_is_not(name: str, more: dict[str, Any], taken: bool) -> None:
    assert bool(parsed(attachments=[attachment(name, **more)]).pictures) is taken


def test_a_video_gives_its_poster_from_the_media_proxy_and_says_where_it_is_itself() -> None:
    ref = only(attachments=[attachment("clip.mp4", content_type="video/mp4")])
    assert ref.source is Source.VIDEO
    assert ref.flags & PlaceFlag.VIDEO
    assert ref.url.startswith(PROXY)
    assert "format=webp" in ref.url
    assert ref.proxy_url == ref.url
    assert ref.link == f"{CDN}/clip.mp4"
    assert ref.size is None  # the poster's is not known
    assert (ref.video_url.partition("?")[0], ref.video_size) == (ref.link, attachment("clip.mp4")["size"])
    assert only(attachments=[attachment("cat.png")]).video_url == ""


def test_a_picture_of_a_stranger_is_fetched_from_discords_copy_only() -> None:
    proxy = "https://images-ext-1.discordapp.net/external/abc/https/example.org/cat.png"
    picture = {"url": "https://example.org/cat.png?id=5", "proxy_url": proxy, "width": 10, "height": 10}
    ref = only(embeds=[{"type": "rich", "title": "A cat", "image": picture}])
    assert ref.source is Source.EMBED_IMAGE
    assert ref.flags & PlaceFlag.EMBEDDED
    assert ref.url == ref.proxy_url == proxy
    assert ref.link == "https://example.org/cat.png?id=5"  # another id, another picture
    assert ref.alt_text == "A cat"


def test_an_embeds_image_thumbnail_and_video_poster_are_three_places() -> None:
    thumbnail = {"url": "https://example.org/t.png", "proxy_url": "https://images-ext-1.discordapp.net/t", "width": 1}
    image = {"url": "https://example.org/i.png", "proxy_url": "https://images-ext-1.discordapp.net/i", "width": 1}
    video = {"url": "https://example.org/v.mp4", "width": 1, "height": 1}
    both = parsed(embeds=[{"type": "rich", "image": image, "thumbnail": thumbnail}])
    assert [ref.source for ref in both.pictures] == [Source.EMBED_IMAGE, Source.EMBED_THUMBNAIL]
    poster = only(embeds=[{"type": "gifv", "thumbnail": thumbnail, "video": video}])
    assert poster.source is Source.EMBED_VIDEO
    assert poster.flags == PlaceFlag.EMBEDDED | PlaceFlag.VIDEO | PlaceFlag.ANIMATED
    assert poster.video_url == "", "a stranger's server is not asked"
    proxied = {**video, "proxy_url": "https://images-ext-1.discordapp.net/v"}
    poster = only(embeds=[{"type": "gifv", "thumbnail": thumbnail, "video": proxied}])
    assert (poster.video_url, poster.video_size) == ("https://images-ext-1.discordapp.net/v", None)


def test_components_show_pictures_in_galleries_sections_files_and_containers() -> None:
    def media(name: str, **more: Any) -> dict[str, Any]:
        return {"url": f"{CDN}/{name}{SIGNED}", "proxy_url": f"{PROXY}/{name}{SIGNED}", "width": 9, "height": 9, **more}

    gallery = {
        "type": 12,
        "items": [
            {"media": media("a.png"), "description": "first"},
            {"media": media("b.mp4", content_type="video/mp4"), "spoiler": True},
        ],
    }
    section = {
        "type": 9,
        "components": [{"type": 10, "content": "words"}],
        "accessory": {"type": 11, "media": media("c.png"), "description": "third"},
    }
    files = [{"type": 13, "file": media("d.png"), "name": "d.png"}, {"type": 13, "file": media("e.zip", width=None)}]
    message = parsed(components=[{"type": 17, "spoiler": True, "components": [gallery, section]}, *files])
    assert [ref.link.rsplit("/", 1)[-1] for ref in message.pictures] == ["a.png", "b.mp4", "c.png", "d.png"]
    assert {ref.source for ref in message.pictures} == {Source.COMPONENT}
    assert [bool(ref.flags & PlaceFlag.SPOILER) for ref in message.pictures] == [True, True, True, False]
    assert message.pictures[1].flags & PlaceFlag.VIDEO
    assert message.pictures[0].alt_text == "first"
    assert message.content == "words"


def test_a_forward_shows_its_pictures_and_words_as_its_own() -> None:
    inner = {"content": "what a cat", "attachments": [attachment()], "embeds": []}
    message = parsed(message_snapshots=[{"message": inner}])
    assert message.content == "what a cat"
    (ref,) = message.pictures
    assert ref.flags == PlaceFlag.FORWARDED


def test_stickers_are_taken_only_when_asked_and_never_as_vectors() -> None:
    items = [{"id": str(number), "name": f"s{number}", "format_type": number} for number in (1, 2, 3, 4)]
    assert parse_message(payload(sticker_items=items), GUILD).pictures == ()
    taken = parse_message(payload(sticker_items=items), GUILD, stickers=True).pictures
    assert [ref.url for ref in taken] == [
        "https://cdn.discordapp.com/stickers/1.png",
        "https://cdn.discordapp.com/stickers/2.png",
        "https://media.discordapp.net/stickers/4.gif",
    ]
    assert [bool(ref.flags & PlaceFlag.ANIMATED) for ref in taken] == [False, True, True]


def test_a_picture_shown_twice_in_one_message_is_one_place() -> None:
    image = {"url": f"{CDN}/cat.png{SIGNED}", "proxy_url": f"{PROXY}/cat.png", "width": 640, "height": 480}
    message = parsed(attachments=[attachment()], embeds=[{"type": "rich", "image": image, "thumbnail": image}])
    assert [ref.source for ref in message.pictures] == [Source.ATTACHMENT]


def test_what_has_no_address_on_the_web_is_no_picture() -> None:
    bad = ["attachment://cat.png", "", "data:image/png;base64,AA", "https://[broken/cat.png"]
    assert parsed(attachments=[attachment(url=url) for url in bad]).pictures == ()


def test_words_of_an_embed_stand_for_a_message_without_any() -> None:
    embed = {"type": "rich", "title": "Release 5", "description": "is out"}
    assert parsed(embeds=[embed]).content == "Release 5\nis out"
    assert parsed(embeds=[embed], content="look").content == "look"


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        (f"{CDN}/a.png{SIGNED}", f"{CDN}/a.png"),
        (f"{CDN}/a.png?width=5", f"{CDN}/a.png"),
        ("http://127.0.0.1:9/attachments/1/2/a.png?ex=1&is=2&hm=3", "http://127.0.0.1:9/attachments/1/2/a.png"),
        ("https://example.org/a.png?id=5", "https://example.org/a.png?id=5"),
    ],
)
def test_only_discords_own_links_lose_their_query(url: str, bare: str) -> None:
    assert bare_link(url) == bare


def test_a_message_with_anything_in_it_shows_something() -> None:
    assert shows_nothing(payload())
    assert not shows_nothing(payload(content="x"))
    assert not shows_nothing(payload(sticker_items=[{"id": "1"}]))
    assert not shows_nothing(payload(poll={"question": {}}))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2**40) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
media = st.fixed_dictionaries(
    {},
    optional={
        "url": st.sampled_from(
            [f"{CDN}/a.png{SIGNED}", "attachment://a.png", "https://example.org/a.gif", "https://[x"]
        ),
        "proxy_url": st.sampled_from([f"{PROXY}/a.png", ""]),
        "width": st.none() | st.integers(0, 9),
        "content_type": st.sampled_from([None, "image/png", "video/mp4", "text/plain"]),
        "flags": st.integers(0, 255),
        "unknown": json_values,
    },
)
components = st.recursive(
    st.fixed_dictionaries({"type": st.integers(0, 20)}, optional={"media": media, "file": media}),
    lambda inner: st.fixed_dictionaries(
        {"type": st.integers(0, 20)},
        optional={"components": st.lists(inner, max_size=3), "accessory": inner, "items": st.lists(inner, max_size=3)},
    ),
    max_leaves=6,
)


@given(
    st.lists(media, max_size=4),
    st.lists(st.fixed_dictionaries({}, optional={"image": media, "thumbnail": media, "video": media}), max_size=3),
    st.lists(components, max_size=3),
    st.booleans(),
)
def test_whatever_discord_sends_each_picture_has_an_address_and_an_ordinal_of_its_own(
    attachments: list[Any], embeds: list[Any], parts: list[Any], forwarded: bool
) -> None:
    body = {"content": "", "attachments": attachments, "embeds": embeds, "components": parts}
    outer = {"message_snapshots": [{"message": body}]} if forwarded else body
    message = parsed(**outer)
    assert [ref.ordinal for ref in message.pictures] == list(range(len(message.pictures)))
    assert len({ref.link for ref in message.pictures}) == len(message.pictures)
    for ref in message.pictures:
        assert ref.url.startswith("http")
        assert "hm=" not in ref.link
        assert bool(ref.flags & PlaceFlag.FORWARDED) is forwarded
