"""`search`, `random` and `duplicates` as a person and a program use them, alone and beside a running bot."""

from __future__ import annotations

import asyncio
import base64
import csv
import hashlib
import io
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from bot import cli
from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.query.grammar import parse
from indexer.records.colours import SAMPLES, SHOWN
from indexer.records.pictures import PixelSpec
from tests.command_line.conftest import Run
from tests.worlds.encoder import Encoder
from tests.worlds.exports import FIRST, GUILD
from tests.worlds.json_schemas import assert_schema
from tests.worlds.pseudo_terminal import pseudo_terminal
from tests.worlds.searchable_folder import GUILD_NAME, POSTS, Folder, running_bot
from tests.worlds.waiting import DEADLINE_S

pytestmark = pytest.mark.xdist_group("searching")  # one process makes the folder

SPEC, LIMITS = PixelSpec(64), Limits(10**8)


def found(run: Run, *arguments: str) -> dict[str, Any]:
    """The JSON of a command, held against its schema."""
    code, out, err = run(arguments[0], "--json", *arguments[1:])
    assert (code, err) == (0, "")
    answer: dict[str, Any] = json.loads(out)
    assert_schema(arguments[0], answer)
    return answer


def untimed(answer: Any) -> Any:
    """Without what tells the time that something took, and what comparing pixels gave: only a running bot does."""
    if isinstance(answer, dict):
        left_out = ("stage_ms", "ms", "explained", "pixels")
        return {key: untimed(value) for key, value in answer.items() if key not in left_out}
    return [untimed(value) for value in answer] if isinstance(answer, list) else answer


def message_ids(answer: dict[str, Any]) -> list[str]:
    return [hit["message_id"] for hit in answer["hits"]]


async def test_the_answers_are_the_same_alone_and_beside_a_running_bot(
    run: Run, folder: Folder, tmp_path: Path
) -> None:
    (tmp_path / "batch.txt").write_text("bicycle\n\nfrom:@nobody x\nin:#photos\n")
    picture = str(folder.file(3))
    commands = [
        ("search", "red", "bicycle", "-river", "--count", "3"),
        ("search", "in:#photos", "--count", "20", "--guild", GUILD_NAME.upper()),
        ("search", picture, "--guild", str(GUILD), "--sheet", str(tmp_path / "sheet.png")),
        ("search", "--batch", str(tmp_path / "batch.txt")),
        ("duplicates", "--threshold", "0.9"),
        ("random", "from:@ada", "--count", "8"),
    ]

    def answers() -> list[Any]:
        given = [run(command[0], "--json", *command[1:]) for command in commands]
        for command, (_, out, _) in zip(commands, given, strict=True):
            assert_schema(command[0], json.loads(out))
        said = [(code, untimed(json.loads(out))) for code, out, _ in given]
        said[-1][1]["hits"].sort(key=lambda hit: hit["message_id"])  # random ones
        return said

    alone = await asyncio.to_thread(answers)
    async with running_bot(folder):
        assert await asyncio.to_thread(answers) == alone
    assert [code for code, _ in alone] == [0, 0, 0, 1, 0, 0]
    assert alone[2][1]["hits"][0]["named"] == "Same picture (1.00)"
    assert len(alone[1][1]["hits"]) == 6


def test_several_words_and_filters_need_no_quotes(run: Run) -> None:
    several = found(run, "search", "red", "bicycle", "in:#photos", "--count", "4")
    assert untimed(several) == untimed(found(run, "search", "red bicycle in:#photos", "--count", "4"))
    assert several["query"] == "red bicycle in:#photos"
    without = found(run, "search", "bicycle", "-third", "--count", "4", "in:#photos")
    assert without["query"] == "bicycle -third in:#photos"
    assert untimed(without) == untimed(found(run, "search", "--count", "4", "--", "bicycle", "-third", "in:#photos"))


def test_a_path_an_image_and_standard_input_are_pictures(
    run: Run, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder.file(4)
    by_path = found(run, "search", str(file.relative_to(folder.root)))
    assert (by_path["pictures"], by_path["query"], by_path["hits"][0]["path"]) == (1, "", str(file))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
    assert untimed(found(run, "search", "-")) == untimed(by_path)
    several = found(run, "search", str(file), "--image", str(folder.file(1)), "walk")
    assert (several["pictures"], several["query"]) == (2, "walk")
    words = found(run, "search", "file-4.png")  # no such file here: the name is looked for in what was posted
    assert (words["pictures"], words["query"]) == (0, "file-4.png")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["search"], "Say what to look for"),
        (["search", "./gone.png"], "./gone.png cannot be read"),
        (["search", "config.toml"], "config.toml: "),
        (["search", "-", "-"], "Standard input (-) can be one picture only"),
        (["search", "https://evil.example/cat.png"], "downloaded from Discord's own hosts"),
        (["search", "http://127.0.0.1/cat.png"], "downloaded from Discord's own hosts"),
        (["search", "https://cdn.discordapp.com@evil.example/a.png"], "downloaded from Discord's own hosts"),
        (["search", "https://169.254.169.254/latest/meta-data"], "downloaded from Discord's own hosts"),
        (["search", *["https://cdn.discordapp.com/a.png"] * 11], "At most 10 pictures"),
        (["search", "red", "--guild", "Upper Wickham"], "Server Upper Wickham is not in the index"),
        (["search", "in:#photos", "--open", "21", "--count", "2"], "There is no hit 21: 2 were found"),
        (["search", "red", "--batch", "config.toml"], "cannot be given with --batch"),
        (["search", "--batch", "gone.txt"], "gone.txt cannot be read"),
        (["search", "in:#photos", "--save", "no/such/folder.csv"], "cannot be written"),
        (["random", "bicycle"], "Only filters"),
        (["duplicates", "bicycle"], "Only filters"),
        (["duplicates", "--threshold", "0.2"], "a number from 0.5 to 1"),
    ],
)
def test_what_cannot_be_asked_is_one_line(run: Run, arguments: list[str], part: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert part in err


@pytest.mark.parametrize(
    "arguments",
    [["search", "a", "--count", "0"], ["search", "a", "--json", "--csv"], ["search", "a", "--cuont", "3"],
     ["search", "a", "--preview-as", "ascii"], ["duplicates", "--html", "a", "--json"], ["eval"]],
)  # fmt: skip
def test_wrong_usage_is_exit_code_2(run: Run, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 2


def test_every_form_tells_the_same_hits(run: Run, folder: Folder, tmp_path: Path) -> None:
    asked = ("search", "in:#photos", "--count", "20")
    hits = found(run, *asked)["hits"]
    assert len(hits) == 6
    assert [json.loads(line) for line in run(*asked, "--jsonl")[1].splitlines()] == hits
    assert run(*asked, "--paths")[1].splitlines() == [hit["path"] for hit in hits]
    rows = list(csv.DictReader(io.StringIO(run(*asked, "--csv")[1])))
    assert [row["message_id"] for row in rows] == [hit["message_id"] for hit in hits]
    text = run(*asked)[1]
    assert all(hit["link"] in text and hit["path"] in text for hit in hits)
    for name in ("a.json", "a.jsonl", "a.csv", "a.txt"):
        code, out, _ = run(*asked, "--save", str(tmp_path / name))
        assert (code, out) == (0, f"written: {tmp_path / name}\n")
    assert json.loads((tmp_path / "a.json").read_text())["hits"] == hits
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == len(hits)
    assert (tmp_path / "a.csv").read_text().startswith("query,rank,band,")
    assert (tmp_path / "a.txt").read_text().startswith("  1. #photos  Ada, ")


def test_what_a_member_wrote_acts_on_no_terminal_and_is_calculated_by_no_spreadsheet(run: Run) -> None:
    out = run("search", "in:#photos", "--count", "20")[1]
    assert "\x1b" not in out
    assert "=HYPERLINK" in out
    table = run("search", "in:#photos", "--count", "20", "--csv")[1]
    assert "\x1b" not in table
    cells = [cell for row in csv.reader(io.StringIO(table)) for cell in row]
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert "'-2+3 is a formula" in cells


def test_a_batch_is_answered_in_order_with_one_call_of_the_model(run: Run, tmp_path: Path) -> None:
    (tmp_path / "questions.txt").write_text("red bicycle\nfrom:@nobody red\nriver\n")
    texts: list[list[str]] = []
    encode = Encoder.encode_words

    async def counted(self: Encoder, words: Any, *rest: Any) -> Any:
        texts.append(list(words))
        return await encode(self, words, *rest)

    with mock.patch.object(Encoder, "encode_words", counted):
        code, out, _ = run("search", "--batch", str(tmp_path / "questions.txt"), "--json")
    answers = json.loads(out)["answers"]
    assert code == 1
    assert [answer["query"] for answer in answers] == ["red bicycle", "from:@nobody red", "river"]
    assert "Nobody named nobody" in answers[1]["error"]
    assert untimed(answers[2]) == untimed(found(run, "search", "river"))
    assert [asked for asked in texts if "river" in asked] == [["red bicycle", "river"]]
    assert len(run("search", "--batch", str(tmp_path / "questions.txt"), "--csv")[1].splitlines()) == 1 + sum(
        len(answer.get("hits", ())) for answer in answers
    )
    assert "── from:@nobody red\nNobody named" in run("search", "--batch", str(tmp_path / "questions.txt"))[1]


def test_explain_says_why_each_hit_is_there_and_which_stages_ran(run: Run) -> None:
    plain = run("search", "bicycle")[1]
    explained = run("search", "bicycle", "--explain")[1]
    assert "BM25" in explained
    assert "BM25" not in plain
    assert "floor: " in explained.splitlines()[-1]


def test_the_sheet_and_the_preview_show_the_pictures_of_the_archive(run: Run, folder: Folder, tmp_path: Path) -> None:
    code, out, err = run("search", str(folder.file(0)), "--count", "3", "--sheet", str(tmp_path / "out.png"))
    assert (code, "1. Same picture" in out) == (0, True)
    assert f"written: {tmp_path / 'out.png'}" in err
    with Image.open(tmp_path / "out.png") as sheet:
        colours = np.asarray(sheet.convert("RGB")).reshape(-1, 3)
    assert len(np.unique(colours, axis=0)) > 1_000  # noise, not empty boxes
    out = run("search", "in:#photos", "--count", "1", "--preview-as", "iterm2")[1]
    sent = re.search("\x1b]1337;File=inline=1;size=([0-9]+):([^\x07]+)\x07", out)
    assert sent is not None
    data = base64.b64decode(sent[2])
    assert len(data) == int(sent[1])
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (24, 20)  # the whole picture, as its thumbnail has it


def test_a_colour_finds_the_pictures_that_show_it_and_says_how_much(run: Run, folder: Folder) -> None:
    stored = {number: decode_picture(folder.file(number).read_bytes(), SPEC, LIMITS).colours for number, _ in POSTS}
    for name in ("green", "purple"):
        asked = parse(f"color:{name}", 0).colours[0]
        shares = sorted(share for seen in stored.values() if (share := asked.share(seen)) >= SHOWN / SAMPLES)
        assert 0 < len(shares) <= len(stored)
        hits = found(run, "search", f"color:{name}", "--count", "10")["hits"]
        assert sorted(hit["parts"]["colour"] for hit in hits) == [round(share, 4) for share in shares]
        assert all(hit["parts"]["colour"] is None for hit in found(run, "search", "in:#photos")["hits"])


def test_random_pictures_pass_the_filters_and_come_once(run: Run) -> None:
    everything = found(run, "random", "--count", "50")
    assert sorted(message_ids(everything)) == sorted(str(FIRST + at * 1000) for at in range(len(POSTS)))
    assert len(found(run, "random")["hits"]) == 1
    code, out, _ = run("random", "after:2099-01-01")
    assert (code, out) == (1, "no indexed picture passes these filters\n")
    assert run("random", "--paths")[1].startswith("/")


def test_duplicates_are_groups_led_by_the_first_post(run: Run) -> None:
    answer = found(run, "duplicates")
    (group,) = answer["groups"]
    posted = [at for at, (number, _) in enumerate(POSTS) if number == 0]
    assert [post["message_id"] for post in group["posts"]] == [str(FIRST + at * 1000) for at in posted]
    assert [Path(post["path"]).name for post in group["posts"]] == [f"file-{at}.png" for at in posted]
    assert (group["times"], group["confidence"], answer["group_count"], answer["compared"]) == (3, 1.0, 1, 6)
    out = run("duplicates")[1]
    assert out.startswith("  1. 3 times (100 % sure)  #photos  Ada, ")
    assert out.count("     again  ") == 2
    rows = list(csv.DictReader(io.StringIO(run("duplicates", "--csv")[1])))
    assert [(row["group"], row["post"]) for row in rows] == [("1", "1"), ("1", "2"), ("1", "3")]
    nothing = run("duplicates", "after:2099-01-01", "--threshold", "0.57")[1]
    assert "no picture was posted again, as far as 57 % sure goes" in nothing


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_report_is_one_file_that_runs_and_loads_nothing(run: Run, tmp_path: Path) -> None:
    assert run("duplicates", "--threshold", "0.5", "--html", str(tmp_path / "report.html"))[0] == 0
    text = (tmp_path / "report.html").read_text()
    page = _Page()
    page.feed(text)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "form", "object", "base", "svg"})
    images = [values["src"] or "" for tag, values in page.tags if tag == "img"]
    assert images
    assert all(source.startswith("data:image/webp;base64,") for source in images)
    links = [values["href"] or "" for tag, values in page.tags if tag == "a"]
    assert all(link.startswith("https://discord.com/channels/") for link in links)
    (policy,) = [values["content"] or "" for _, values in page.tags if "http-equiv" in values]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    style = text.partition("<style>")[2].partition("</style>")[0]
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in policy
    assert not [name for _, values in page.tags for name in values if name.startswith("on")]


@contextmanager
def terminal_of(columns: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Standard output is a terminal; its lines are there when the block has ended."""
    ours, theirs = pseudo_terminal()
    seen: list[bytes] = []

    def read() -> None:
        with suppress(OSError):  # the other end is closed
            while data := os.read(ours, 65536):
                seen.append(data)

    lines: list[str] = []
    reader = threading.Thread(target=read)
    reader.start()
    try:
        with os.fdopen(theirs, "w", encoding="utf-8") as out, monkeypatch.context() as patched:
            patched.setattr("sys.stdout", out)
            patched.setenv("COLUMNS", str(columns))
            patched.setenv("TERM", "xterm-256color")
            yield lines
    finally:
        reader.join(DEADLINE_S)
        os.close(ours)
    lines += b"".join(seen).decode().replace("\r\n", "\n").splitlines()


def test_a_narrow_terminal_cuts_what_is_long_and_no_link(
    run: Run, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    with terminal_of(40, monkeypatch) as lines:
        assert cli.main(["search", str(folder.file(0)), "--quiet", "--count", "2", "--preview-as", "blocks"]) == 0
        assert cli.main(["duplicates", "--quiet"]) == 0
    assert any(line.startswith("  1. Same picture (1.00)  #photos") for line in lines)
    long = [line for line in lines if len(line) > 40]
    assert long
    assert all(line.strip().startswith(("https://", "/")) for line in long)
    assert not [line for line in lines if "\x1b" in line]


def test_a_terminal_with_colours_shows_the_pictures_in_them(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal_of(80, monkeypatch) as lines:
        assert cli.main(["search", "in:#photos", "--quiet", "--count", "1", "--preview"]) == 0
    assert sum("\x1b[" in line and "▀" in line for line in lines) >= 10
