"""Pictures in the terminal, by each protocol; and a hit in the browser."""

from __future__ import annotations

import argparse
import base64
import io
import webbrowser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bot.command_line.hit_output import show
from bot.command_line.open_hit import open_hit
from bot.command_line.preview import blocks, kitty, sixel, way_of
from bot.command_line.question import Question
from indexer.errors import TellPerson
from tests.command_line.conftest import Run
from tests.command_line.test_searching import found
from tests.worlds.searchable_folder import Folder

pytestmark = pytest.mark.xdist_group("searching")  # one process makes the folder


def test_each_way_draws_what_its_protocol_says() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    chunks = list(kitty(pixels))
    assert len(chunks) > 1
    assert chunks[0].startswith("\x1b_Ga=T,f=100,q=2,m=1;")
    assert [chunk[:7] for chunk in chunks[1:]] == ["\x1b_Gm=1;"] * (len(chunks) - 2) + ["\x1b_Gm=0;"]
    data = "".join(chunk.partition(";")[2].removesuffix("\x1b\\") for chunk in chunks)
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert np.array_equal(np.asarray(image), pixels)
    flat = np.zeros((8, 10, 3), np.uint8)
    flat[6:] = (255, 0, 0)
    black, red = "".join(sixel(flat)).split("-")[:2]
    assert black.startswith('\x1bPq"1;1;10;8')
    assert black.endswith("!10~$")  # all six rows of ten columns
    assert red.endswith("!10B$")  # the first two of six


def test_without_colours_a_picture_is_drawn_in_characters() -> None:
    grey = np.repeat(np.linspace(0, 255, 64, dtype=np.uint8)[None, :, None], 32, 0).repeat(3, 2)
    lines = "".join(segment.text for segment in blocks(grey, plain=True).segments).splitlines()
    assert len(lines) == 8
    assert all(line[5] == " " and line[-1] == "@" and len(line) == 37 for line in lines)


@pytest.mark.parametrize(
    ("environ", "way"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "xterm-kitty", "TMUX": "socket,1,0"}, "blocks"),
        ({"TERM": "xterm-256color"}, "blocks"),
        ({}, "blocks"),
    ],
)
def test_the_way_to_show_pictures_follows_the_terminal(environ: dict[str, str], way: str) -> None:
    assert way_of(environ) == way


class Opened(webbrowser.BaseBrowser):
    """A browser that remembers what it was given."""

    def __init__(self) -> None:
        super().__init__("in-test")
        self.addresses: list[str] = []

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
        self.addresses.append(url)
        return True


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Opened:
    opened = Opened()
    monkeypatch.setattr(webbrowser, "_browsers", {"in-test": [None, opened]})
    monkeypatch.setattr(webbrowser, "_tryorder", ["in-test"])
    return opened


def test_a_hit_opens_by_its_link_and_where_none_opens_as_its_file(run: Run, folder: Folder, browser: Opened) -> None:
    hits = found(run, "search", "in:#photos", "--count", "3", "--open", "2")["hits"]
    assert browser.addresses == [hits[1]["link"]]
    (folder.root / "sandbox.toml").write_text(
        'data_dir = "data"\n[decode]\nworkers = 1\n[discord]\napi_base = "http://127.0.0.1:1/api/v10"\n'
    )
    code, _, _ = run("search", "in:#photos", "--count", "3", "--open", "2", "--config", "sandbox.toml")
    assert (code, browser.addresses[1]) == (0, Path(hits[1]["path"]).as_uri())


def test_hits_that_no_path_names_are_counted_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    hits = [{"path": "/a b.png", "link": None}, {"path": None, "link": None}, {"path": None, "link": "https://x"}]
    given = argparse.Namespace(open=None, save=None, preview=None, form="paths", sheet=None)
    show(given, [{"hits": hits}], Question(""))
    said = capsys.readouterr()
    assert said.out == "/a b.png\nhttps://x\n"
    assert said.err == "afterimage: 1 hits have neither a file nor a link that opens\n"


@pytest.mark.parametrize("name", ["report.html", "run.desktop", "a.svg", "gone.png", "noname"])
def test_only_a_pictures_file_is_opened(tmp_path: Path, browser: Opened, name: str) -> None:
    if not name.startswith("gone"):
        (tmp_path / name).write_text("<script>alert(1)</script>")
    with pytest.raises(TellPerson):
        open_hit({"link": None, "path": str(tmp_path / name)})
    assert browser.addresses == []
