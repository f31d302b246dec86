"""The files that a command reads its question from, and those that it writes: what a shell may hand over."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pytest

from bot import cli
from bot.command_line import question
from bot.command_line.eval_queries import read
from bot.command_line.hit_output import write
from bot.command_line.question import contents, question_of, text_of
from indexer.errors import TellPerson


def test_the_mark_that_windows_puts_before_a_text_is_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "questions.txt").write_bytes("red bicycle\n".encode("utf-8-sig"))
    assert text_of(str(tmp_path / "questions.txt")) == "red bicycle\n"
    (tmp_path / "labelled.jsonl").write_bytes('{"query": "cat", "expected": ["1"]}'.encode("utf-8-sig"))
    assert read(tmp_path / "labelled.jsonl")[0].query == "cat"


@pytest.mark.parametrize("inside", ["\u2028", "\x85", "\u2029"])
def test_only_a_line_break_divides_json_lines(tmp_path: Path, inside: str) -> None:
    lines = f'{{"query": "cat{inside}dog", "expected": ["1"]}}\r\n\r\n{{"query": "rain", "expected": ["2"]}}\n'
    (tmp_path / "labelled.jsonl").write_bytes(lines.encode())
    first, second = read(tmp_path / "labelled.jsonl")
    assert (first.query, first.line, second.line) == (f"cat{inside}dog", 1, 3)


def test_a_line_that_is_nested_too_deep_is_named(tmp_path: Path) -> None:
    (tmp_path / "labelled.jsonl").write_text("[" * 200_000)
    with pytest.raises(TellPerson) as told:
        read(tmp_path / "labelled.jsonl")
    assert (told.value.sentence.key, told.value.sentence.values["line"]) == ("cli-eval-line", "1")


def test_a_file_without_an_end_is_not_read_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(question, "TEXT_BYTES", 1_000)
    (tmp_path / "questions.txt").write_text("x" * 1_001)
    with pytest.raises(TellPerson) as told:
        text_of(str(tmp_path / "questions.txt"))
    assert told.value.sentence.key == "cli-file-too-large"
    (tmp_path / "questions.txt").write_text("x" * 1_000)
    assert len(text_of(str(tmp_path / "questions.txt"))) == 1_000


def test_all_pictures_together_have_a_bound(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"12345")
    files = [str(tmp_path / name) for name in ("a.png", "b.png")]
    assert contents(files, 10) == [b"12345", b"12345"]
    with pytest.raises(TellPerson) as told:
        contents(files, 9)
    assert told.value.sentence.key == "cli-file-too-large"
    assert (told.value.sentence.values["path"], told.value.sentence.values["most"]) == (files[1], 9)


def test_a_standard_input_that_is_closed_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    for ask in (lambda: contents(["-"], 10), lambda: text_of("-")):
        with pytest.raises(TellPerson) as told:
            ask()
        assert told.value.sentence.values == {"path": "standard input", "error": "it is closed"}


def test_a_home_that_nobody_has_is_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    nowhere = "~no-such-user-here/a.txt"
    with pytest.raises(TellPerson) as told:
        text_of(nowhere)
    assert told.value.sentence.values == {"path": nowhere, "error": os.strerror(errno.ENOENT)}
    with pytest.raises(TellPerson) as told:
        write(Path(nowhere), b"")
    assert told.value.sentence.key == "cli-file-unwritable"


def test_a_new_file_takes_the_place_of_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("AFTERIMAGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    for home in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(home, str(tmp_path))
    (tmp_path / "mine.jsonl").write_text("mine")
    assert cli.main(["eval", "make", "~/mine.jsonl"]) == 1
    assert "exists already" in capsys.readouterr().err
    with pytest.raises(TellPerson):
        write(tmp_path / "mine.jsonl", b"other", new=True)
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    with pytest.raises(TellPerson):
        write(tmp_path / "link.jsonl", b"other", new=True)
    assert (tmp_path / "mine.jsonl").read_text() == "mine"
    assert not (tmp_path / "elsewhere.jsonl").exists()


def test_an_address_ends_where_the_word_ends() -> None:
    asked = question_of(["https://a.example/b.png", "https://a.example/b.png\n", "http:// x"])
    assert asked.links == ("https://a.example/b.png",)
    assert asked.words == "https://a.example/b.png\n http:// x"


def test_standard_input_is_read_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\x89PNG\r\n")))
    assert contents(["-"], 10) == [b"\x89PNG\r\n"]
