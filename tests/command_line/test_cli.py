"""The command line: quick help, exit codes, and answers that are true of the data folder."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from bot import cli
from bot.version import installed_version
from indexer.database.lock import hold
from indexer.errors import StorageError
from indexer.settings import ModelSettings
from tests.worlds.encoder import Encoder
from tests.worlds.json_schemas import assert_schema
from tests.worlds.running_bot import indexed, noise, town
from tests.worlds.waiting import DEADLINE_S

pytestmark = pytest.mark.xdist_group("cli")  # one process makes the folder

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "open_clip", "discord", "faiss", "numpy", "aiohttp", "PIL", "sandbox"}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["run", "--help"], ["search", "--help"], ["health"], ["check-config"]]
)
def test_what_needs_no_model_loads_none(tmp_path: Path, arguments: list[str]) -> None:
    code = (
        "import sys, runpy; sys.argv[:] = ['afterimage', *sys.argv[1:]]\n"
        "try: runpy.run_module('bot', run_name='__main__')\n"
        "except SystemExit: pass\n"
        f"print('loaded:', sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "loaded: []"


@dataclass(frozen=True)
class Indexed:
    """A data folder that a bot has left: one server, eight pictures, two of them the owner's in a secret channel."""

    folder: Path
    guild_id: int
    member_id: int


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Indexed:
    folder, place = tmp_path_factory.mktemp("made"), town()

    async def make() -> None:
        async with indexed(place, folder / "data"):
            pass

    asyncio.run(make())
    return Indexed(folder / "data", place.guild.id, place.member.id)


@pytest.fixture
def data(made: Indexed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Indexed]:
    """A copy of it, configured, with the small stand-in for the model."""
    shutil.copytree(made.folder, tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    for name in ("AFTERIMAGE_CONFIG", "AFTERIMAGE_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)

    @asynccontextmanager
    async def opened(settings: ModelSettings, *, data_dir: Path) -> AsyncIterator[Encoder]:
        yield Encoder()

    with mock.patch("bot.command_line.model_here.open_encoder", opened):
        yield Indexed(tmp_path / "data", made.guild_id, made.member_id)


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main(list(arguments))
    said = capsys.readouterr()
    return code, said.out, said.err


def status(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    code, out, _ = ran(capsys, "status", "--json")
    assert code == 0
    found: dict[str, Any] = json.loads(out)
    assert_schema("status", found)
    return found


def test_status_counts_what_there_is(data: Indexed, capsys: pytest.CaptureFixture[str]) -> None:
    found = status(capsys)
    assert (found["guilds"], found["messages"], found["pictures"], found["embeddings"]) == (1, 8, 8, 8)
    assert {"channels", "segments", "failures"} <= found.keys()
    code, out, _ = ran(capsys, "status")
    assert code == 0
    assert "Town" in out
    assert "model: in-test none (8 embeddings)" in out


@pytest.mark.usefixtures("reader_processes")
def test_status_tells_what_locks_the_picture_readers_down(data: Indexed, capsys: pytest.CaptureFixture[str]) -> None:
    readers = status(capsys)["readers"]
    assert readers["indexing"] >= 1
    assert readers["questions"] == 2
    assert readers["memory_bytes"] >= 64 * 1024**2
    parts = {*readers["in_force"], *readers["missing"]}
    assert {"seccomp", "landlock", "no new privileges", "not dumpable", "limits"} <= parts
    _, out, _ = ran(capsys, "status")
    (line,) = [line for line in out.splitlines() if line.startswith("picture readers:")]
    assert all(part in line for part in parts)


def test_status_and_search_work_beside_a_running_bot(data: Indexed, capsys: pytest.CaptureFixture[str]) -> None:
    with hold(data.folder):
        assert status(capsys)["messages"] == 8
        assert ran(capsys, "search", "red")[0] == 0


def test_what_writes_is_told_who_has_the_folder(data: Indexed, capsys: pytest.CaptureFixture[str]) -> None:
    with hold(data.folder):
        for arguments in (["compact"], ["retry"], ["forget", "1", "--yes"]):
            code, _, err = ran(capsys, *arguments)
            assert code == 1
            assert len(err.splitlines()) == 1
            assert "being written by" in err


def test_search_by_a_picture_finds_that_picture_first(
    data: Indexed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "asked.png").write_bytes(noise(3).data)
    code, out, _ = ran(capsys, "search", "--image", "asked.png", "--json", "--count", "3")
    assert code == 0
    found = json.loads(out)
    first = found["hits"][0]
    assert first["file_name"] == "noise-3.png"
    assert (first["channel"], first["author"], first["band"]) == ("pictures", "Bo", "same-picture")
    assert first["link"].startswith(f"https://discord.com/channels/{data.guild_id}/")
    assert first["named"] == "Same picture (1.00)"  # as a reply in Discord says it
    assert "picture" not in first, "a bare link of Discord's does not open"
    assert found["searched"] == 8
    code, out, _ = ran(capsys, "search", "--image", "asked.png")
    assert "1. Same picture (1.00)" in out
    assert first["link"] in out


def test_search_takes_the_grammar_of_similar(data: Indexed, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "asked.png").write_bytes(noise(3).data)

    def searched(words: str) -> int:
        code, out, err = ran(capsys, "search", "--image", "asked.png", "--json", "--", words)
        assert code == 0, err
        count: int = json.loads(out)["searched"]
        return count

    assert searched("in:#secret") == 2
    assert searched("-in:#secret") == 6
    assert searched("from:@bo") == 6
    assert searched(f"from:<@{data.member_id}>") == 6
    assert searched("after:2099-01-01") == 0


def test_search_by_filters_alone_lists_the_newest_without_a_score(
    data: Indexed, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = ran(capsys, "search", "--json", "--", "in:#pictures from:@bo count:4")
    assert code == 0
    found = json.loads(out)
    times = [hit["unix_ms"] for hit in found["hits"]]
    assert times == sorted(times, reverse=True)
    assert (len(times), found["searched"]) == (4, 6)
    assert {(hit["score"], hit["band"]) for hit in found["hits"]} == {(None, "listed")}
    _, out, _ = ran(capsys, "search", "in:#pictures")
    assert out.splitlines()[0].startswith("  1. #pictures  Bo, ")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["search", "--", "-dog"], "need something to look for"),
        (["search"], "Say what to look for"),
        (["search", "red", "--guild", "7"], "Server 7 is not in the index"),
        (["search", "red in:#nowhere"], "nowhere"),
        (["search", "red from:@nobody"], "nobody"),
        (["search", "--image", "missing.png"], "missing.png cannot be read"),
        (["search", "--image", "text.png"], "not a picture"),
        (["status", "--config", "missing.toml"], "missing.toml"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_1(
    data: Indexed, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], part: str
) -> None:
    (tmp_path / "text.png").write_text("no picture at all")
    code, out, err = ran(capsys, *arguments)
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("afterimage: ")
    assert part in err


def test_search_with_a_model_that_embedded_nothing_says_so(data: Indexed, capsys: pytest.CaptureFixture[str]) -> None:
    @asynccontextmanager
    async def another(settings: ModelSettings, *, data_dir: Path) -> AsyncIterator[Encoder]:
        yield Encoder(dimension=16)

    with mock.patch("bot.command_line.model_here.open_encoder", another):
        code, _, err = ran(capsys, "search", "red")
    assert code == 1
    assert "Nothing was embedded with in-test" in err


def test_forget_deletes_what_a_user_posted_and_compact_leaves_the_rest(
    data: Indexed, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = ran(capsys, "forget", str(data.member_id), "--yes")
    assert code == 0
    assert out.startswith("6 messages are gone")
    assert status(capsys)["embeddings"] == 2
    assert ran(capsys, "compact")[0] == 0
    assert status(capsys)["embeddings"] == 2


def test_retry_counts_what_will_be_tried_again(data: Indexed, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "retry")[1] == "0 pictures will be tried again when the bot runs\n"


@pytest.mark.parametrize("user", ["0", "-5", str(2**63)])
def test_what_is_no_id_is_said_plainly(data: Indexed, capsys: pytest.CaptureFixture[str], user: str) -> None:
    code, _, err = ran(capsys, "forget", "--yes", "--", user)
    assert code == 1
    assert "must be an id" in err


def test_an_empty_folder_is_told_and_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["status"]) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["forget", "5", "--yes"], ["compact"], ["retry"]])
def test_in_the_wrong_folder_a_command_makes_no_empty_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = ran(capsys, *arguments)
    assert code == 1
    assert "There is no database" in err
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_the_one_that_the_log_and_the_metrics_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert not ended.value.code
    assert capsys.readouterr().out == f"afterimage {installed_version()}\n"


@pytest.mark.parametrize("arguments", [[], ["unknown"], ["search", "--count", "many"], ["forget"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2


@contextmanager
def failing(error: BaseException) -> Iterator[None]:
    with mock.patch("bot.command_line.check_config.check", side_effect=error):
        yield


def test_ctrl_c_is_exit_code_130_and_a_stop_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    with failing(KeyboardInterrupt()):
        assert cli.main(["check-config"]) == 130
    with mock.patch("bot.cli.command_parser", side_effect=KeyboardInterrupt()):  # while the parser is made
        assert cli.main(["check-config"]) == 130
    with failing(StorageError("the disk is full; make room")):
        assert cli.main(["check-config"]) == 1
    assert capsys.readouterr().err == "afterimage: the disk is full; make room\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_an_answer_that_finds_no_room_is_one_line_and_exit_code_1() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "bot", "check-config", "--example"],
            env={"PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=DEADLINE_S,
        )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "could not be written to standard output: No space left on device" in done.stderr


def test_check_config_prints_what_is_in_force_and_warns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token.txt").write_text("a.long-secret.token")
    (tmp_path / "token.txt").chmod(0o644)
    (tmp_path / "config.toml").write_text('[discord]\ntoken_file = "token.txt"\n')
    code, out, err = ran(capsys, "check-config")
    assert code == 0
    assert "discord.token = <hidden>" in out
    assert "a.long-secret.token" not in out + err
    assert "chmod 600" in err
    (tmp_path / "config.toml").write_text("[discord]\ntokn_file = 1\n")
    code, _, err = ran(capsys, "check-config")
    assert code == 1
    assert "did you mean token_file?" in err


def test_the_example_can_be_used_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = ran(capsys, "check-config", "--example")
    assert code == 0
    (tmp_path / "config.toml").write_text(out)
    assert ran(capsys, "check-config")[0] == 0
