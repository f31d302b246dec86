"""The CDN and the media proxy: signed links that expire, smaller copies, and files that have none."""

import io

import pytest
from PIL import Image

from sandbox.demo.bad_files import huge_png
from sandbox.server import open_sandbox
from sandbox.world import File, World
from tests.sandbox.conftest import picture
from tests.sandbox.raw import Raw, raw_client
from tests.worlds.rich_guild import Rich, rich_world


async def _first(api: Raw, rich: Rich) -> dict[str, str]:
    message = (await api.get(f"/channels/{rich.chat.id}/messages/{rich.picture.id}")).body
    found: dict[str, str] = message["attachments"][0]
    return found


async def test_a_signed_link_works_until_it_expires_and_a_fresh_one_again() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world, link_ttl_s=60) as sandbox, raw_client(sandbox) as api:
        shown = await _first(api, rich)
        assert await api.read(shown["url"]) == (200, picture(), "image/png")
        rich.world.clock.advance(61)
        status, body, _ = await api.read(shown["url"])
        assert (status, body) == (404, b"This content is no longer available.")
        assert (await api.read(shown["proxy_url"]))[0] == 404
        assert (await api.read((await _first(api, rich))["url"]))[0] == 200


async def test_a_link_without_or_with_another_signature_does_not_work() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        shown = await _first(api, rich)
        bare, _, query = shown["url"].partition("?")
        assert (await api.read(bare))[0] == 404
        assert (await api.read(shown["url"].replace("ex=", "ex=f")))[0] == 404
        other = rich.picture.attachments[1]
        assert (await api.read(f"{sandbox.links.bare(other)}?{query}"))[0] == 404


async def test_bare_links_are_refreshed_on_request() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        bare = (await _first(api, rich))["url"].partition("?")[0]
        outside = "https://pictures.example/a.png"
        answer = await api.post("/attachments/refresh-urls", {"attachment_urls": [bare, outside]})
        fresh, same = answer.body["refreshed_urls"]
        assert (same["refreshed"], fresh["original"]) == (outside, bare)
        assert (await api.read(fresh["refreshed"]))[0] == 200


async def test_links_die_with_the_message() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        shown = await _first(api, rich)
        rich.picture.delete()
        assert (await api.read(shown["url"]))[0] == 404


async def test_the_proxy_gives_a_copy_that_fits_in_the_format_asked_for() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        link = (await _first(api, rich))["proxy_url"]
        for query, kind, size in (
            ("&width=48&height=48", "PNG", (48, 32)),
            ("&width=48&height=48&format=webp&quality=low", "WEBP", (48, 32)),
            ("&width=4000&format=webp", "WEBP", (96, 64)),
            ("", "PNG", (96, 64)),
        ):
            status, data, content_type = await api.read(link + query)
            with Image.open(io.BytesIO(data)) as copy:
                assert (status, copy.format, copy.size) == (200, kind, size)
            assert content_type == f"image/{kind.lower()}"
        assert (await api.read(link + "&width=0"))[0] == 400


async def test_the_proxy_has_no_copy_of_what_is_no_picture() -> None:
    world = World()
    guild = world.guild("Meadow", world.user("mara"))
    chat = guild.channel("chat")
    half = picture((640, 480), kind="JPEG")
    bad = {"a.png": b"text", "b.png": b"", "c.png": huge_png(50_000, 50_000), "d.jpg": half[: len(half) // 2]}
    chat.post(guild.owner, files=[File.of(name, data) for name, data in bad.items()])
    async with open_sandbox(world) as sandbox, raw_client(sandbox) as api:
        (message,) = (await api.get(f"/channels/{chat.id}/messages")).body
        assert message["attachments"][2]["width"] == 50_000
        for shown, data in zip(message["attachments"], bad.values(), strict=True):
            assert (await api.read(shown["proxy_url"] + "&width=64&height=64"))[0] == 415
            assert (await api.read(shown["url"]))[1] == data
        assert sandbox.record.counts["GET /media"] == 4


async def test_pictures_of_other_sites_come_through_the_proxy_only() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        page = (await api.get(f"/channels/{rich.chat.id}/messages?limit=100")).body
        image = next(m for m in page if m["embeds"])["embeds"][0]["image"]
        assert image["url"] == "https://pictures.example/cat.png"
        assert (await api.read(image["proxy_url"] + "?width=32&height=32&format=webp"))[0] == 200
        forged = image["proxy_url"].replace("cat.png", "dog.png")
        assert (await api.read(forged))[0] == 404


async def test_a_drawn_picture_is_drawn_once_for_many_who_ask() -> None:
    drawn: list[int] = []

    def draw() -> bytes:
        drawn.append(1)
        return picture()

    world = World()
    guild = world.guild("Meadow", world.user("mara"))
    message = guild.channel("chat").post(guild.owner, files=[File.drawn("a.png", draw, (96, 64))])
    assert not drawn
    async with open_sandbox(world) as sandbox, raw_client(sandbox) as api:
        link = sandbox.links.signed(message.attachments[0])
        for _ in range(3):
            assert (await api.read(link))[1] == picture()
        assert len(drawn) == 1


async def test_a_file_name_with_odd_signs_keeps_its_link() -> None:
    world = World()
    guild = world.guild("Meadow", world.user("mara"))
    message = guild.channel("chat").post(guild.owner, files=[File.of("süß & (1) #2 100%.png", picture())])
    async with open_sandbox(world) as sandbox, raw_client(sandbox) as api:
        assert (await api.read(sandbox.links.signed(message.attachments[0])))[0] == 200


async def _shown(api: Raw, rich: Rich, link: str) -> str:
    """The proxied address of a component that shows `link`, posted and read back."""
    gallery = {"type": 12, "items": [{"media": {"url": link}}]}
    path = f"/channels/{rich.chat.id}/messages"
    sent = (await api.post(path, {"flags": 1 << 15, "components": [gallery]})).body
    message = (await api.get(f"{path}/{sent['id']}")).body
    found: str = message["components"][0]["items"][0]["media"]["proxy_url"]
    return found


async def test_strict_components_resolve_signed_links_only() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world, link_ttl_s=60) as sandbox, raw_client(sandbox) as api:
        bare = sandbox.links.bare(rich.picture.attachments[0])
        assert (await api.read(await _shown(api, rich, bare)))[0] == 200
        sandbox.links.strict = True
        assert (await api.read(await _shown(api, rich, bare)))[0] == 404
        signed = (await _first(api, rich))["url"]
        assert (await api.read(await _shown(api, rich, signed)))[0] == 200
        assert (await api.read(await _shown(api, rich, signed.replace("hm=", "hm=0"))))[0] == 404
        rich.world.clock.advance(61)
        assert (await api.read(await _shown(api, rich, signed)))[0] == 404


async def test_a_signed_link_in_a_component_is_signed_anew_when_the_message_is_read_later() -> None:
    rich = rich_world()
    world = open_sandbox(rich.world, link_ttl_s=60, strict_media=True)
    async with world as sandbox, raw_client(sandbox) as api:
        signed = (await _first(api, rich))["url"]
        path = f"/channels/{rich.chat.id}/messages"
        gallery = {"type": 12, "items": [{"media": {"url": signed}}]}
        sent = (await api.post(path, {"flags": 1 << 15, "components": [gallery]})).body
        rich.world.clock.advance(3600)
        (item,) = (await api.get(f"{path}/{sent['id']}")).body["components"][0]["items"]
        assert (await api.read(item["media"]["url"]))[0] == 200


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        ("bytes=0-9", 206, 0, 9),
        ("bytes=10-", 206, 10, None),
        ("bytes=-5", 206, -5, None),
        ("bytes=0-999999", 206, 0, None),
        ("bytes=999999-", 416, None, None),
        ("bytes=-0", 416, None, None),
        ("bytes=9-2", 200, 0, None),
        ("bytes=0-1,4-5", 200, 0, None),
        ("lines=0-1", 200, 0, None),
    ],
)
async def test_a_part_of_a_file_can_be_asked_for(asked: str, status: int, first: int | None, last: int | None) -> None:
    rich, whole = rich_world(), picture()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        shown = await _first(api, rich)
        for link in (shown["url"], shown["proxy_url"]):
            async with api.session.get(link, headers={"Range": asked}) as response:
                data = await response.read()
                assert response.status == status
                if status == 416:
                    assert response.headers["Content-Range"] == f"bytes */{len(whole)}"
                    continue
                part = whole[first:] if last is None else whole[first : last + 1]
                assert data == part
                if status == 206:
                    start = whole.index(part)
                    told = f"bytes {start}-{start + len(part) - 1}/{len(whole)}"
                    assert response.headers["Content-Range"] == told


async def test_a_copy_moves_only_when_that_is_asked_for() -> None:
    frames = [Image.new("RGB", (96, 64), colour) for colour in ("red", "green", "blue")]
    held = io.BytesIO()
    frames[0].save(held, "GIF", save_all=True, append_images=frames[1:], duration=[40, 80, 120], loop=0)
    world = World()
    guild = world.guild("Meadow", world.user("mara"))
    message = guild.channel("chat").post(guild.owner, files=[File.of("a.gif", held.getvalue())])
    async with open_sandbox(world) as sandbox, raw_client(sandbox) as api:
        link = sandbox.links.proxied(message.attachments[0]) + "&width=48&height=48"
        for query, kind, count in (
            ("&format=webp&animated=true", "WEBP", 3),
            ("&animated=true", "GIF", 3),
            ("&format=webp", "WEBP", 1),
            ("&format=png&animated=true", "PNG", 1),
        ):
            status, data, content_type = await api.read(link + query)
            with Image.open(io.BytesIO(data)) as copy:
                assert (status, copy.format, copy.size) == (200, kind, (48, 32))
                assert (getattr(copy, "n_frames", 1), content_type) == (count, f"image/{kind.lower()}")
