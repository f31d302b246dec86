"""No name or word from outside does anything to the terminal or to the text of the log; JSON keeps it escaped."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config.tables import LogSettings
from bot.observability import terminal
from bot.observability.log import logging_to
from bot.observability.terminal import as_json, one_line, visible
from indexer.settings import ModelSettings
from tests.worlds.commands_here import give_command
from tests.worlds.encoder import Encoder
from tests.worlds.running_bot import indexed, town

ATTACKS = ["\x1b[2J\x1b]0;owned\x07", "\x9b31m", "a\rb", "\x7f", "\u202egnp.exe", "\u2066x\u2069", "\u2028", "\ud800"]
ACTING = {chr(code) for code in (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F))}


@pytest.mark.parametrize("text", ATTACKS)
def test_control_characters_are_shown_instead_of_done(text: str) -> None:
    for shown in (visible(text), one_line(text)):
        assert shown.isprintable()
        assert "\\" in shown
    assert json.loads(as_json({"name": text})) == {"name": text}
    assert as_json({"name": text}).isprintable()


def test_letters_of_every_language_stay_as_they_are() -> None:
    for text in ("Größe", "картинка", "写真", "👩‍👩‍👧", "a\tb\nc"):
        assert visible(text) == text
        assert json.loads(as_json(text)) == text
    assert one_line("a\tb\nc") == "a\\tb\\nc"
    assert one_line("a" * 50, 10) == "a" * 9 + "…"


@given(st.text(st.characters()))
def test_nothing_that_acts_passes(text: str) -> None:
    for shown in (visible(text), one_line(text), as_json(text)):
        assert not ACTING & set(shown)
        shown.encode()  # no half of a surrogate pair is left: every terminal's encoding takes it
    assert json.loads(as_json(text)) == text


class Screen(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("kind", "written"), [(io.TextIOWrapper, "картинка é".encode()), (Screen, "???????? é".encode("cp1252"))]
)
def test_an_encoding_of_few_letters_stops_no_answer(
    kind: type[io.TextIOWrapper], written: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", kind(out, encoding="cp1252"))
    terminal.write_every_letter()
    terminal.say("картинка é")
    assert out.getvalue().rstrip() == written


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_log_shows_control_characters_too(form: str) -> None:
    stream = io.StringIO()
    with logging_to(LogSettings(format=form), [], stream):
        try:
            raise ValueError("\x1b[31m in an error")
        except ValueError:
            logging.getLogger("bot").exception("guild %s", "\x1b]0;owned\x07\u202e")
    assert not ACTING & set(stream.getvalue())
    assert "owned" in stream.getvalue()
    if form == "json":
        assert "\x1b]0;owned\x07\u202e" in json.loads(stream.getvalue())["message"]


async def test_what_members_and_callers_wrote_does_nothing_to_the_terminal(tmp_path: Path) -> None:
    @asynccontextmanager
    async def opened(settings: ModelSettings, *, data_dir: Path) -> AsyncIterator[Encoder]:
        yield Encoder()

    place = town()
    async with indexed(place, tmp_path / "data"):
        pass
    with sqlite3.connect(tmp_path / "data" / "afterimage.sqlite3") as connection:
        connection.execute("UPDATE guilds SET name = ?", ("Town\x1b[2J\r\nall  9 9 9\u202e",))
    connection.close()
    for arguments in (
        ["status"],
        ["status", "--json"],
        ["search", "red has:\x1b[31m"],
        ["\x1b]0;owned\x07"],
        ["status", "--config", "\x1b[2J.toml"],
    ):
        with mock.patch("bot.command_line.model_here.open_encoder", opened):
            done = await asyncio.to_thread(give_command, tmp_path, *arguments)
        said = done.stdout + done.stderr
        assert said
        assert not ACTING & set(said), (arguments, said)
        assert "Traceback" not in said
