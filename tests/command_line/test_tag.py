"""`afterimage tag`: on pictures that are named, on a pipe, on a question's whole result; alone and beside a bot."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from bot.command_line.targets import targets_of
from indexer.errors import TellPerson
from tests.command_line.conftest import Run
from tests.worlds.exports import FIRST
from tests.worlds.json_schemas import assert_schema
from tests.worlds.kept_folder import change
from tests.worlds.person_at_terminal import Person
from tests.worlds.searchable_folder import Folder, running_bot

pytestmark = pytest.mark.xdist_group("searching")  # one process makes the folder


@pytest.fixture
def own(folder: Folder, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A copy of the folder, which the test may change; commands are given in it. The pictures stay where they are."""
    shutil.copytree(folder.root / "data", tmp_path / "data")
    shutil.copy(folder.root / "config.toml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path)


def piped(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """What another command writes into standard input."""

    class Pipe(io.TextIOWrapper):
        pass

    monkeypatch.setattr("sys.stdin", Pipe(io.BytesIO(text.encode())))


def tagged(run: Run, *arguments: str) -> tuple[int, Any]:
    """Exit code and answer of `tag`, held against its schema."""
    code, out, _ = run("tag", *arguments, "--json")
    answer = json.loads(out)
    assert_schema("tag", answer)
    return code, answer


def found(run: Run, *words: str) -> list[str]:
    """The messages that a search finds."""
    code, out, _ = run("search", "--json", *words)
    assert code == 0
    return sorted(hit["message_id"] for hit in json.loads(out)["hits"])


async def beside(bot: bool, folder: Folder, work: Callable[[], None]) -> None:
    async with running_bot(folder) if bot else nullcontext():
        await asyncio.to_thread(work)


@pytest.mark.parametrize("bot", [False, True], ids=["alone", "beside a bot"])
async def test_what_a_search_prints_is_tagged_listed_found_and_untagged(
    own: Folder, run: Run, monkeypatch: pytest.MonkeyPatch, bot: bool
) -> None:
    def work() -> None:
        code, lines, _ = run("search", "--jsonl", "river")
        assert code == 0
        (hit,) = [json.loads(line) for line in lines.splitlines() if json.loads(line)["text"] == "a walk by the river"]
        for form in (lambda hit: json.dumps(hit), lambda hit: str(hit["path"]), lambda hit: hit["message_id"]):
            piped(monkeypatch, f"{form(hit)}\n\n")
            assert tagged(run, "add", "River,Walk")[0] == 0
            assert found(run, "tag:river", "tag:WALK") == [hit["message_id"]]
            (shown,) = json.loads(run("search", "--json", "tag:river")[1])["hits"]
            assert shown["tags"] == ["river", "walk"]
            assert tagged(run, "list")[1]["tags"][0]["pictures"] == 1
            code, answer = tagged(run, "remove", "river,walk", hit["message_id"])
            assert (code, answer["changed"], found(run, "tag:river")) == (0, 1, [])

    await beside(bot, own, work)


@pytest.mark.parametrize("bot", [False, True], ids=["alone", "beside a bot"])
async def test_a_questions_whole_result_is_counted_then_tagged(own: Folder, run: Run, bot: bool) -> None:
    def work() -> None:
        code, planned = tagged(run, "add", "all", "--query", "after:2000", "--dry-run")
        assert (code, planned["pictures"], planned["changed"], planned["dry_run"]) == (0, 8, 0, True)
        assert tagged(run, "list")[1] == {"tags": []}
        assert tagged(run, "add", "all", "--query", "after:2000", "--yes")[1]["changed"] == 8
        code, out, _ = run("search", "--json", "--count", "2", "evening")
        best = [hit["message_id"] for hit in json.loads(out)["hits"]]
        assert tagged(run, "add", "best", "--query", "evening count:2", "--yes")[0] == 0
        assert set(best) <= set(found(run, "tag:best", "--count", "9"))
        assert len(found(run, "-tag:best", "--count", "9")) < 6  # the pictures that were posted once or more

    await beside(bot, own, work)


def test_another_number_than_was_confirmed_is_not_tagged(
    own: Folder, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def delete_another() -> None:
        change(own.root / "data", "DELETE FROM messages WHERE message_id = (SELECT max(message_id) FROM messages)")

    monkeypatch.setattr("sys.stdin", Person("yes", delete_another))
    code, out, err = run("tag", "add", "all", "--query", "after:2000")
    assert (code, out, tagged(run, "list")[1]) == (1, "", {"tags": []})
    assert "You confirmed 8, and now 7 are meant" in err


def test_nobody_is_asked_in_a_pipe_and_what_names_nothing_is_told(
    own: Folder, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = run("tag", "add", "x", "--query", "after:2000")
    assert (code, "--yes" in err) == (1, True)
    assert run("tag", "add", "x", "--query", "after:2000", str(FIRST))[0] == 1
    code, answer = tagged(run, "add", "x", str(FIRST), "17", "/nowhere.png")
    assert (code, answer["pictures"], answer["missing"]) == (1, 1, ["17", "/nowhere.png"])
    code, answer = tagged(run, "list", str(FIRST))
    assert (code, [picture["tags"] for picture in answer["pictures"]]) == (0, [["x"]])
    for wrong in ("a\x1bb", '"', "-"):
        assert run("tag", "add", f" {wrong}", str(FIRST))[0] == 1
    piped(monkeypatch, "")
    assert run("tag", "add", "x")[0] == 1
    assert run("tag", "list")[1].split() == ["1", "x", "(Lower", "Wickham)"]


def test_lines_name_messages_pictures_and_paths() -> None:
    link = "https://discord.com/channels/1/2/345"
    lines = [link, "", " 345 ", '{"place": "7", "text": "a"}', "/a/b.png", "https://ptb.discord.com/channels/@me/2/9/"]
    assert targets_of(lines) == [["message_id", 345], ["place_id", 7], ["path", "/a/b.png"], ["message_id", 9]]
    for wrong in (
        "https://example.org/a.png",
        "{}",
        '{"place": {}}',
        "{" * 3000,
        "9" * 20,
        "9" * 5000,
        "0",
        '{"place": "x"}',
    ):
        with pytest.raises(TellPerson):
            targets_of([wrong])
