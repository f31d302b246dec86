"""`afterimage setup` against the sandbox: what it asks, what it writes, and that it writes all or nothing."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from bot.cli import main
from bot.command_line import setup, setup_discord
from bot.command_line.program import program
from bot.command_line.setup_files import NewFile, _uninterrupted, replace_unchanged, write_all
from bot.command_line.setup_model import OFFERED, suited
from bot.config.loader import load
from bot.config.models import resolved
from indexer.errors import ConfigError, Stop
from indexer.settings import ModelSettings
from sandbox.permissions import BOT
from sandbox.server import Sandbox, open_sandbox
from sandbox.world import Guild, World
from tests.worlds import bot_child
from tests.worlds.child_bot import environment
from tests.worlds.forked import as_command, forking
from tests.worlds.pseudo_terminal import pseudo_terminal
from tests.worlds.waiting import DEADLINE_S, until

MY_GUILDS = "GET /users/@me/guilds"


class Discord:
    """A sandbox on a loop of its own: the command has this thread, as it has in a terminal."""

    def __init__(self) -> None:
        self.world = World()
        self.guild: Guild = self.world.guild("Town", self.world.user("ada", "Ada"), bot_allowed=None)
        self.sandbox: Sandbox
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._served = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    async def _serve(self) -> None:
        async with open_sandbox(self.world) as self.sandbox:
            self._served.set()
            await self._end.wait()

    def __enter__(self) -> Discord:
        self._thread.start()
        assert self._served.wait(DEADLINE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        self._loop.close()

    def invite_when_waited_for(self) -> None:
        """Somebody opens the invitation, once the command has looked for a server and found none."""
        looked = self.sandbox.record.counts[MY_GUILDS]

        async def invite() -> None:
            await until(lambda: self.sandbox.record.counts[MY_GUILDS] > looked)
            self.guild.add_bot(BOT)

        asyncio.run_coroutine_threadsafe(invite(), self._loop)


@pytest.fixture(scope="module")
def discord() -> Iterator[Discord]:
    with Discord() as served:
        yield served


@pytest.fixture
def token(discord: Discord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bot in no server, and a folder to set it up in."""
    for name in [name for name in os.environ if name.startswith("AFTERIMAGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AFTERIMAGE_DISCORD_API_BASE", discord.sandbox.api_base)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(setup_discord, "LOOK_S", 0.02)
    discord.world.application.message_content = True
    if discord.guild.has_bot:
        discord.guild.remove_bot()
    return discord.sandbox.token


def given(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_by_flags_alone_it_writes_what_run_needs_and_shows_the_invitation(
    token: str,
    discord: Discord,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    given(token + "\n", monkeypatch)
    assert main(["setup", "--token-file", "-", "--model", "english", "--read", "--no-wait"]) == 0
    told = capfd.readouterr()
    assert files(tmp_path) == {"config.toml", "token.txt"}
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / "token.txt").stat().st_mode) == 0o600
    config = load(None, {})
    assert config.discord.token is not None
    assert config.discord.token.reveal() == token
    assert config.warnings == ()
    assert config.settings.model.name == "ViT-B-32-256"
    assert config.settings.crawl.start == "auto"
    assert f"application {discord.world.application.id}, in 0 servers" in told.out
    assert f"client_id={discord.world.application.id}" in told.out
    assert "scope=bot+applications.commands" in told.out
    assert "afterimage run" in told.out
    assert token not in told.out + told.err
    assert told.err == ""


def test_a_file_with_the_token_stays_where_it_is_and_is_closed_to_others(
    token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "elsewhere"
    place.mkdir()
    (place / "secret").write_text(token)
    (place / "secret").chmod(0o644)
    given("", monkeypatch)
    assert main(["setup", "--token-file", "elsewhere/secret", "--config", "made/here.toml", "--no-wait"]) == 0
    assert files(tmp_path / "made") == {"here.toml"}
    config = load(tmp_path / "made/here.toml", {})
    assert config.discord.token_file is not None
    assert config.discord.token_file.resolve() == place / "secret"
    if sys.platform != "win32":
        assert stat.S_IMODE((place / "secret").stat().st_mode) == 0o600
    assert config.settings.crawl.start == "manual"
    told = capfd.readouterr()
    assert "afterimage run --config made/here.toml" in told.out
    assert token not in told.out + told.err


def test_a_token_of_the_environment_is_written_nowhere(
    token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFTERIMAGE_DISCORD_TOKEN", token)
    given("", monkeypatch)
    assert main(["setup", "--no-wait", "--model-folder", "exported"]) == 0
    assert files(tmp_path) == {"config.toml"}
    assert token not in (tmp_path / "config.toml").read_text()
    assert load(None, {}).settings.model.folder == tmp_path / "exported"


def refused(folder: Path, capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Gives the command, which must fail and leave the folder as it was; returns what it said."""
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert main(["setup", *arguments]) == 1
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    told = capfd.readouterr()
    assert "Traceback" not in told.err
    return told.out + told.err


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("{head}.{middle}.wrong{tail}", "Discord does not accept the token"),
        ("123456789012345678", "an application's id"),
        ("", "holds no token"),
        ("Bot {head}.{middle}.{tail}", "does not hold a token alone"),
    ],
)
def test_a_wrong_token_is_refused_and_not_shown(
    token: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    wrong: str,
    said: str,
) -> None:
    head, middle, tail = token.split(".")
    typed = wrong.format(head=head, middle=middle, tail=tail)
    given(typed + "\n", monkeypatch)
    told = refused(tmp_path, capfd, "--token-file", "-", "--no-wait")
    assert said in told
    assert tail not in told
    assert not typed or typed not in told


@pytest.mark.parametrize(
    ("switch", "state", "said"),
    [
        ("message_content", False, "Message Content Intent is off"),
        ("code_grant", True, "Requires OAuth2 Code Grant is on"),
    ],
)
def test_a_switch_that_is_wrong_is_named_with_its_page(
    token: str,
    discord: Discord,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    switch: str,
    state: bool,
    said: str,
) -> None:
    monkeypatch.setattr(discord.world.application, switch, state)
    given(token, monkeypatch)
    told = refused(tmp_path, capfd, "--token-file", "-")
    assert said in told
    assert f"https://discord.com/developers/applications/{discord.world.application.id}/bot" in told


def test_without_a_network_it_says_so_and_does_not_wait_for_ever(
    token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("AFTERIMAGE_DISCORD_API_BASE", f"http://127.0.0.1:{port}/api/v10")
    given(token, monkeypatch)
    assert "cannot be reached" in refused(tmp_path, capfd, "--token-file", "-")
    monkeypatch.setattr(setup_discord, "ASK_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setenv("AFTERIMAGE_DISCORD_API_BASE", f"http://127.0.0.1:{port}/api/v10")
        given(token, monkeypatch)
        assert "gave no answer" in refused(tmp_path, capfd, "--token-file", "-")


def test_what_is_there_is_not_replaced_unless_somebody_says_so(
    token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.toml").write_text("# mine\n")
    given(token, monkeypatch)
    assert "config.toml: already there" in refused(tmp_path, capfd, "--token-file", "-", "--no-wait")
    assert main(["setup", "--token-file", "-", "--no-wait", "--force"]) == 0
    assert files(tmp_path) == {"config.toml", "config.toml.old", "token.txt"}
    assert (tmp_path / "config.toml.old").read_text() == "# mine\n"


def test_it_says_so_where_there_is_no_token_and_nobody_to_ask(
    token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    given("", monkeypatch)
    assert "give --token-file FILE" in refused(tmp_path, capfd)
    assert "there is no such name (did you mean english?)" in refused(tmp_path, capfd, "--model", "englich")


def test_it_waits_until_the_bot_is_in_a_server(
    token: str, discord: Discord, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    discord.invite_when_waited_for()
    given(token, monkeypatch)
    assert main(["setup", "--token-file", "-"]) == 0
    assert "It is in Town." in capfd.readouterr().out


def test_it_does_not_wait_for_ever_for_an_invitation(
    token: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(setup_discord, "WAIT_S", 0.1)
    given(token, monkeypatch)
    assert main(["setup", "--token-file", "-"]) == 0
    told = capfd.readouterr()
    assert "in no server yet" in told.out
    assert "/reindex start on the server" in told.out
    assert "--no-wait goes on at once" in told.err


def test_a_configuration_that_somebody_changed_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("mine\n")
    assert not replace_unchanged(config, "ours\n", "ours, and more\n")
    assert config.read_text() == "mine\n"
    assert replace_unchanged(config, "mine\n", "ours\n")
    assert config.read_text() == "ours\n"
    assert files(tmp_path) == {"config.toml"}
    config.unlink()
    assert not replace_unchanged(config, "ours\n", "ours, and more\n")
    assert files(tmp_path) == set()


def test_the_command_to_go_on_with_can_be_typed_where_it_is_not_on_the_search_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [".venv/bin/afterimage", "setup"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program() == ".venv/bin/afterimage"
    on_the_path = tmp_path / ("afterimage.exe" if sys.platform == "win32" else "afterimage")
    on_the_path.write_text("")
    on_the_path.chmod(0o755)
    assert program() == "afterimage"


def test_in_a_terminal_the_token_is_asked_for_hidden_and_the_rest_is_asked(
    token: str, discord: Discord, tmp_path: Path
) -> None:
    discord.world.application.message_content = False
    discord.invite_when_waited_for()
    ours, theirs = pseudo_terminal()
    process = _InTerminal(theirs, tmp_path)
    screen = _Screen(ours)
    screen.until("(not shown): ")
    screen.type(token)
    screen.until("Press Enter when that is done: ")
    discord.world.application.message_content = True
    screen.type("")
    screen.until("Which one? [")
    screen.type("large")
    screen.until("There is no large; names are ")
    screen.type("quality")
    screen.until("To invite it, open this")
    screen.until("Ctrl-C goes on …")
    screen.until("It is in Town.")
    screen.until("Shall it read the history of Town as soon as it starts")
    screen.until("press Enter for no: ")
    assert load(None, {}).settings.crawl.start == "manual"  # nobody has said yes
    screen.type("yes")
    screen.until("It begins to read by itself")
    assert process.wait() == 0
    os.close(ours)
    assert token not in screen.text
    config = load(None, {})
    assert config.discord.token is not None
    assert config.discord.token.reveal() == token
    assert config.settings.model.name == "ViT-B-16-SigLIP2"
    assert config.settings.crawl.start == "auto"


def test_ctrl_c_ends_the_wait_for_a_server_and_says_how_to_go_on(token: str, discord: Discord, tmp_path: Path) -> None:
    (tmp_path / "given").write_text(token)
    ours, theirs = pseudo_terminal()
    process = _InTerminal(theirs, tmp_path, "--token-file", "given", "--model", "english")
    screen = _Screen(ours)
    screen.until("Ctrl-C goes on …")
    process.interrupt()
    screen.until("/reindex start on the server.")
    assert process.wait() == 0
    os.close(ours)
    assert "The link stays valid" in screen.text
    assert "Start it with `afterimage run`" in screen.text
    assert "Shall it read" not in screen.text
    assert load(None, {}).settings.crawl.start == "manual"


def test_ctrl_c_leaves_nothing(token: str, tmp_path: Path) -> None:
    ours, theirs = pseudo_terminal()
    process = _InTerminal(theirs, tmp_path)
    screen = _Screen(ours)
    screen.until("(not shown): ")
    screen.type(token)
    screen.until("Which one? [")
    process.interrupt()
    assert process.wait() == 130
    os.close(ours)
    assert files(tmp_path) == set()
    assert "Traceback" not in screen.text


class _InTerminal:
    """The command on a terminal of its own: in a session without another one, where it would ask there."""

    def __init__(self, theirs: int, folder: Path, *arguments: str) -> None:
        settings = environment(AFTERIMAGE_DISCORD_API_BASE=os.environ["AFTERIMAGE_DISCORD_API_BASE"])
        terminal = Connection(theirs)
        given = (None, terminal, bot_child.main, folder, ["setup", *arguments], settings)
        self._process = forking().Process(target=as_command, args=given)
        self._process.start()
        terminal.close()

    def interrupt(self) -> None:
        os.kill(self._process.pid, signal.SIGINT)

    def wait(self) -> int:
        """Its exit code."""
        self._process.join(DEADLINE_S)
        code: int = self._process.exitcode
        self._process.close()
        return code


class _Screen:
    """What the other end of a terminal shows."""

    def __init__(self, ours: int) -> None:
        self.text = ""
        self._ours = ours

    def until(self, text: str) -> None:
        """Reads until it is shown; pytest's own deadline ends a wait for what never comes."""
        while text not in self.text:
            self.text += os.read(self._ours, 4096).decode()

    def type(self, line: str) -> None:
        os.write(self._ours, f"{line}\n".encode())


def test_a_token_that_is_typed_as_an_option_is_not_repeated(capfd: pytest.CaptureFixture[str]) -> None:
    pasted = "MTIzNDU2Nzg5MDEyMzQ1Njc4.Gabcde.abcdefghijklmnopqrstuvwxyz0123"
    with pytest.raises(SystemExit) as caught:
        main(["setup", pasted])
    assert caught.value.code == 2
    told = capfd.readouterr().err
    assert "unrecognized arguments: <hidden>" in told
    assert pasted not in told


def test_a_file_that_cannot_be_written_leaves_no_other(tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    token, config = NewFile(tmp_path / "t", "t", 0o600), NewFile(tmp_path / "a file" / "c", "c", 0o644)
    with pytest.raises(ConfigError, match="cannot be written"):
        write_all([token, config])
    assert files(tmp_path) == {"a file"}


def test_an_interrupt_waits_for_the_end_of_the_renames() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), _uninterrupted():
        signal.raise_signal(signal.SIGINT)
        done.append("renamed")
    assert done == ["renamed"]


@pytest.mark.parametrize(
    ("memory_gb", "gpu", "name"), [(2, False, "english"), (4, False, "default"), (2, True, "gpu"), (64, True, "gpu")]
)
def test_the_model_that_is_offered_suits_the_machine(memory_gb: int, gpu: bool, name: str) -> None:
    assert suited(memory_gb * 10**9, gpu=gpu) == name


@pytest.mark.parametrize("name", OFFERED)
def test_every_offered_name_is_one_that_the_configuration_takes(name: str) -> None:
    assert resolved(ModelSettings(name=name), {}).name != name


def test_questions_end_where_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    given("nothing of the kind\n" * 20, monkeypatch)
    with pytest.raises(Stop, match="no model was chosen"):
        setup._chosen_model(asks=True)
