"""`color:` finds the pictures that show a colour, in each way of searching, and says how much of it they show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.query.colour_names import NAMES, colour
from indexer.query.grammar import parse
from indexer.records.colours import SAMPLES, showing, shows
from indexer.records.hits import Filter
from indexer.records.ids import MessageId
from indexer.records.messages import NO_FLAGS, PlaceFlag
from indexer.records.pictures import DecodedPicture, PixelSpec
from indexer.search import browse
from indexer.settings import IndexSettings
from indexer.store import pictures
from indexer.vectors.index import VectorIndex
from tests.worlds.library import (
    ANNA,
    BEN,
    DAY_MS,
    GUILD,
    MEMES,
    PETS,
    SECRET,
    START_MS,
    Library,
    ask,
    decoded,
)
from tests.worlds.picture_files import encoded

SAMPLED = st.binary(min_size=SAMPLES, max_size=SAMPLES)
RED, BLUE, WHITE = (200, 30, 30), (20, 40, 220), (255, 255, 255)


def striped(*colours: tuple[int, int, int]) -> Image.Image:
    """Stripes side by side, all of one width."""
    return Image.fromarray(np.repeat(np.array([colours], np.uint8), 600 // len(colours), axis=1).repeat(200, axis=0))


def colours_of(data: bytes) -> bytes:
    return decode_picture(data, PixelSpec(64), Limits(10**8)).colours


def painted(what: str, *colours: tuple[int, int, int]) -> DecodedPicture:
    return decoded(what, colours=colours_of(encoded(striped(*colours), "PNG")))


def asking(text: str, *channels: int) -> Filter:
    return Filter(frozenset(channels or (MEMES, PETS)), colours=parse(text, 0).colours)  # type: ignore[arg-type]  # ids


async def found(library: Library, text: str, words: str = "") -> list[MessageId]:
    result = await library.searcher.search(ask(words, filter=asking(text)))
    return sorted(hit.place.message_id for hit in result.hits)


@pytest.mark.parametrize("options", [("PNG", {}), ("JPEG", {"quality": 75}), ("WEBP", {"quality": 60}), ("GIF", {})])
def test_a_file_of_each_format_shows_what_was_drawn(options: tuple[str, dict[str, int]]) -> None:
    stored = colours_of(encoded(striped(RED, WHITE, WHITE, BLUE), options[0], **options[1]))
    shares = {name: parse(f"color:{name}", 0).colours[0].share(stored) for name in ("red", "blue", "white", "green")}
    assert shares == {"red": 0.25, "blue": 0.25, "white": 0.5, "green": 0}


def test_what_is_transparent_counts_as_white() -> None:
    assert colours_of(encoded(Image.new("RGBA", (50, 50), (255, 0, 0, 0)), "PNG")) == colours_of(
        encoded(striped(WHITE), "PNG")
    )


@pytest.mark.parametrize("words", ["", "cat"])
@pytest.mark.parametrize("sealed", [True, False])
async def test_only_pictures_that_show_every_colour_are_found(library: Library, words: str, sealed: bool) -> None:
    red = await library.post(painted("cat 1", RED), say="cat", day=1)
    both = await library.post(painted("cat 2", RED, BLUE, WHITE), say="cat", day=2)
    blue = await library.post(painted("cat 3", BLUE), say="cat", channel=PETS, day=3)
    trace = await library.post(painted("cat 4", RED, *[WHITE] * 29), say="cat", day=4)
    unknown = await library.post("cat 5", say="cat", day=5)  # read by an earlier version
    await library.post(painted("cat 6", RED), say="cat", channel=SECRET, day=6)
    if sealed:
        await library.index.compact(library.db)
    assert await found(library, "color:red", words) == [red, both]
    assert await found(library, "color:#c81e1e", words) == [red, both]
    assert await found(library, "color:blue", words) == [both, blue]
    assert await found(library, "color:blue color:red", words) == [both]
    assert await found(library, "color:white", words) == [both, trace]
    assert await found(library, "color:green", words) == []
    assert unknown not in await found(library, "color:black", words)


async def test_a_hit_says_how_much_of_it_has_the_colour_and_only_then(library: Library) -> None:
    await library.post(painted("cat", RED, BLUE), say="cat")
    for words in ("", "cat"):
        (hit,) = (await library.searcher.search(ask(words, filter=asking("color:red")))).hits
        assert hit.parts.colour == 0.5
        (hit,) = (await library.searcher.search(ask(words))).hits
        assert hit.parts.colour is None


async def test_without_faiss_the_answers_are_the_same(library: Library, tmp_path: Path) -> None:
    red = await library.post(painted("cat 1", RED))
    await library.post(painted("cat 2", BLUE))
    direct = VectorIndex(library.db.path, tmp_path / "none", IndexSettings(engine="direct"))
    try:
        vector = (await library.encoder.encode_words(["cat"]))[0]
        results = [
            index.search(GUILD, library.model_id, vector, 5, asking("color:red")) for index in (library.index, direct)
        ]
    finally:
        direct.close()
    assert [place.message_id for candidate in results[0].candidates for place in candidate.places] == [red]
    assert results[0].candidates == results[1].candidates


async def test_a_listing_keeps_to_the_rest_of_the_filter_and_to_the_order_of_messages(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browse, "COLOURED_AT_ONCE", 2)
    posts = [
        await library.post(
            *(painted(f"cat {number} {at}", RED) for at in range(3)),
            author=(ANNA, BEN)[number % 2],
            channel=(MEMES, PETS)[number % 2],
            day=number,
            flags=PlaceFlag.SPOILER if number == 3 else NO_FLAGS,
        )
        for number in range(6)
    ]
    await library.post(painted("cat blue", BLUE), day=7)
    red = asking("color:red")

    async def listed(allowed: Filter, count: int = 50) -> tuple[list[tuple[MessageId, str]], int]:
        result = await library.searcher.search(ask("", filter=allowed, count=count))
        return [(hit.place.message_id, hit.file_name) for hit in result.hits], result.searched

    every = [(post, f"{at}.png") for post in reversed(posts) for at in range(3)]
    assert await listed(red) == (every, 18)
    assert await listed(red, 4) == (every[:4], 18)
    only = replace(red, authors=frozenset({BEN}))
    assert await listed(only) == ([found for found in every if found[0] in posts[1::2]], 9)
    assert await listed(replace(only, exclude=PlaceFlag.SPOILER), 4) == (every[:3] + every[12:13], 6)
    later = replace(red, after_ms=START_MS + 2 * DAY_MS, before_ms=START_MS + 4 * DAY_MS)
    assert await listed(later) == ([found for found in every if found[0] in posts[2:4]], 6)


async def test_an_answer_is_not_remembered_beyond_the_colours_that_it_was_given_by(library: Library) -> None:
    message_id = await library.post("cat", say="cat")
    assert await found(library, "color:red", "cat") == []
    async with library.db.transaction() as tx:
        await pictures.add(tx, painted("cat", RED))
    assert await found(library, "color:red", "cat") == [message_id]


@given(st.lists(SAMPLED, max_size=20), st.lists(st.sampled_from(NAMES), max_size=2))
def test_many_pictures_at_once_are_told_as_each_alone(stored: list[bytes], names: list[str]) -> None:
    colours = [colour(name) for name in names]
    alone = [all(shows(picture, wanted.cells) for wanted in colours) for picture in stored]
    assert showing(b"".join(stored), colours).tolist() == alone


async def test_a_picture_that_is_read_again_gets_its_colours_and_keeps_them(library: Library) -> None:
    message_id = await library.post("cat")
    assert await found(library, "color:red") == []
    for again in (painted("cat", RED), decoded("cat")):
        async with library.db.transaction() as tx:
            await pictures.add(tx, again)
        (hit,) = (await library.searcher.search(ask("", filter=asking("color:red"), count=7))).hits
        assert hit.place.message_id == message_id
