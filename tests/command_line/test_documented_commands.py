"""Every command that the documents show is given as it stands there, in a folder like the one that they speak of.

The reference of all commands is left to tests/command_line/test_help.py: it is made of the parser, with its examples.
Requests of curl are sent by tests/web/api/test_documented_requests.py.
"""

from __future__ import annotations

import io
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command_line.conftest import Run
from tests.worlds.exports import CHANNEL, FIRST, GUILD
from tests.worlds.person_at_terminal import Person
from tests.worlds.picture_files import encoded, picture, scene
from tests.worlds.searchable_folder import GUILD_NAME, Folder

pytestmark = pytest.mark.xdist_group("searching")  # one process makes the folder

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *("README.md", "CONTRIBUTING.md", "sandbox/model/README.md"),
    *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md")) if page.name != "commands.md"),
]

# What a line of code must begin with to be a command.
PROGRAM = re.compile(
    r"(?:[A-Z_]+=\S+ +)*(?:\.venv/bin/|/opt/afterimage/bin/)?"
    r"(afterimage|make|git|docker|curl|python3?|pip|echo|sudo|cp|rm|systemctl|xclip)(?= )"
)
# Which are not given here, and why.
EXCLUDED = {
    "curl ": "sent by tests/web/api/test_documented_requests.py",
    "git clone ADDRESS": "the address is the reader's",
    "make demo": "given by tests/sandbox/test_demo_run.py, without making an environment",
    "make run": "given without end; tests/sandbox/test_demo.py has its bot",
    "make quick": "these tests",
    "make setup": "`afterimage setup`, which tests/command_line/test_setup.py gives",
    "make install": "makes an environment; tests/deploy/test_image_content.py installs the same",
    "afterimage encoder": "a Ray without end: tests/command_line/test_encoder_command.py",
    "afterimage restore --from-storage": "needs a storage: tests/fleet/test_backups.py",
    "afterimage fleet": "processes in a Ray: tests/fleet/test_fleet_on_ray.py",
    "echo AFTERIMAGE_DISCORD_SHARDS": "writes into the system",
    "cp deploy/afterimage@.service": "writes into the system",
    "python -m sandbox": "without end, and the demo: tests/sandbox/test_demo_run.py",
    "AFTERIMAGE_DISCORD_API_BASE=": "a bot without end: tests/app/test_app.py",
    "docker ": "needs an engine; tests/deploy/test_container.py runs the steps of the Dockerfile",
    "TORCH_INDEX_URL=": "needs an engine",
    "WITH_TORCH=no docker": "needs an engine",
    "EXTRAS=ocr,heic docker": "needs an engine; tests/deploy/test_container.py carries out the step that takes it",
    "echo 'your bot token'": "for docker",
    "sudo chown": "for docker",
    "python3 -m venv /opt/afterimage": "writes into the system; tests/deploy/test_service_unit.py checks the unit",
    "/opt/afterimage/bin/": "writes into the system",
    "cp deploy/afterimage.service": "writes into the system",
    "systemctl ": "writes into the system",
    ".venv/bin/afterimage model download": "needs the hub; tests/command_line/test_model.py has one of its own",
    ".venv/bin/afterimage model verify": "of weights that were downloaded: tests/command_line/test_model.py",
    ".venv/bin/afterimage model trial": "of weights that were downloaded: tests/command_line/test_real_model.py",
    ".venv/bin/afterimage model export": "of weights that were downloaded: tests/command_line/test_model_export.py",
    ".venv/bin/pip install": "changes the environment that the tests run in",
    "afterimage move": "a second folder of the same bot: tests/bundles/test_move.py",
    "afterimage reshard": "a fleet: tests/command_line/test_reshard.py",
    "afterimage import big-export.zip --fleet": "a cluster: tests/encode/test_cluster.py",
    "afterimage reindex": "reads Discord: tests/command_line/test_reindex.py",
    ".venv/bin/afterimage ocr --read": "reads with real models: tests/command_line/test_ocr.py",
    ".venv/bin/afterimage captions --read": "describes with a real model: tests/command_line/test_captions.py",
    ".venv/bin/python -m sandbox.demo.relations": "300 pictures, and a second model: tests/sandbox/test_relations.py",
    ".venv/bin/afterimage import --config data/relations": "of those pictures",
    ".venv/bin/afterimage search --config data/relations": "with a second model, on torch",
    "AFTERIMAGE_RERANK_KIND=off": "the same without it",
    "rm -r sandbox/model/export": "tests/encode/test_export.py makes the export anew",
    "AFTERIMAGE_MODEL_NAME=demo .venv/bin/afterimage model export": "tests/encode/test_export.py makes it anew",
}
# What the documents call by names of their own.
OURS = {
    ".venv/bin/": "",
    "~/my-export": "export",
    "~/exports": "export",
    "~/Pictures": "Pictures",
    "Meadow": shlex.quote(GUILD_NAME),
    "#memes": "#photos",
    "has:gif": "-has:gif",
    "--channel cats": "--channel photos",
    "--channel screenshots": "--channel photos",
    "@anna": "@ada",
    "before:2020": "before:2030",
    "after:2024-06 before:2024-09": "after:2021-06 before:2021-09",
    '"secret plan"': '"evening light"',
    "camera:EOS": "river",
    "/mnt/disk/": "disk/",
    "/mnt/old/": "old/",
    "/srv/meadow/": "meadow/",
    "data/sandbox/config.toml": "config.toml",
    "https://discord.com/channels/1/2/123456789012345678": f"https://discord.com/channels/{GUILD}/{CHANNEL}/{FIRST}",
    "123456789012345678": str(GUILD),
}
CODES = {"afterimage health": 1}  # no bot runs here


@dataclass(frozen=True)
class Block:
    """Commands that stand together in a page."""

    page: str
    line: int
    commands: tuple[str, ...]


def code_of(page: str) -> Iterator[tuple[int, str]]:
    """The lines of code in a page, with their numbers; an empty one behind each block."""
    is_fenced = False
    for number, line in enumerate((ROOT / page).read_text("utf-8").splitlines(), 1):
        if line.startswith("```"):
            is_fenced = not is_fenced
            yield number, ""
        elif is_fenced or line.startswith("    "):
            yield number, line.strip()
        else:
            yield number, ""
    yield 0, ""


def blocks() -> list[Block]:
    found: list[Block] = []
    for page in PAGES:
        commands: list[str] = []
        for number, line in code_of(page):
            if commands and commands[-1].endswith("\\"):
                commands[-1] = commands[-1][:-1] + line
            elif PROGRAM.match(line):
                commands.append(line)
            elif not line and commands:
                found.append(Block(page, number - len(commands), tuple(commands)))
                commands = []
    return found


def is_excluded(command: str) -> bool:
    return command.startswith(tuple(EXCLUDED))


GIVEN = [block for block in blocks() if not all(map(is_excluded, block.commands))]


def stages(command: str) -> tuple[list[list[str]], str | None]:
    """The words of each command of a pipe, and the file that the last one writes into."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|>")
    lexer.whitespace_split, lexer.commenters = True, ""
    found: list[list[str]] = [[]]
    target = None
    words = iter(lexer)
    for word in words:
        if word == "|":
            found.append([])
        elif word == ">":
            target = next(words)
        else:
            found[-1].append(word)
    return found, target


class House:
    """The folder that commands are given in, with what the documents say is there."""

    def __init__(self, folder: Folder, root: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self._made, self._run, self._monkeypatch = root, folder, run, monkeypatch
        shutil.copytree(folder.root, root, dirs_exist_ok=True)
        (root / "Pictures").mkdir()
        (root / "Pictures" / "beach.png").write_bytes(picture(300))
        (root / "disk").mkdir()
        (root / "meadow").mkdir()
        for number, name in enumerate(("cat.jpg", "dog.jpg")):
            (root / name).write_bytes(encoded(scene(300 + number, 200), "JPEG"))

    def give(self, command: str) -> tuple[int, str]:
        """Exit code, and what it said."""
        for name, ours in OURS.items():
            command = command.replace(name, ours)
        piped, target = stages(command)
        code, out, err, data = 0, "", "", b""
        for at, (program, *words) in enumerate(piped):
            if program == "xclip":  # the clipboard has a picture
                data = (self.root / "cat.jpg").read_bytes()
            else:
                assert program == "afterimage", command
                asked = Person({"delete": "delete"}.get(words[0], "yes"), lambda: None)
                self._monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)) if at else asked)
                code, out, err = self._run(*words)
                data = out.encode()
        if target is not None:
            (self.root / target).write_text(out)
        return code, f"{command}\n{out}\n{err}"

    def without_data(self) -> None:
        shutil.rmtree(self.root / "data")

    def anew(self) -> None:
        for name in ("data", "meadow"):
            shutil.rmtree(self.root / name)
        shutil.copytree(self._made.root / "data", self.root / "data")
        (self.root / "meadow").mkdir()

    def with_a_backup(self) -> None:
        assert self.give("afterimage backup afterimage.tar.zst")[0] == 0
        self.without_data()

    def with_another(self) -> None:
        shutil.copytree(self.root / "data", self.root / "old" / "data")

    def with_a_collection(self) -> None:
        assert self.give('afterimage import ~/Pictures --as "Photos"')[0] == 0


# What a document tells in words before this command.
BEFORE: dict[str, Callable[[House], None]] = {
    ".venv/bin/afterimage import ~/Pictures": House.without_data,  # who has pictures alone
    ".venv/bin/afterimage import --dry-run meadow.bundle.zst": House.without_data,  # "there"
    "afterimage restore afterimage.tar.zst": House.with_a_backup,
    ".venv/bin/afterimage merge --dry-run": House.with_another,
    ".venv/bin/afterimage split Meadow /srv/meadow/data --keep": House.anew,
    """afterimage delete '"secret plan"'""": House.anew,
    'afterimage delete --collection "Photos"': House.with_a_collection,
}


@pytest.mark.parametrize("block", GIVEN, ids=lambda block: f"{block.page}:{block.line}")
def test_the_commands_of_the_documents_can_be_given_as_they_stand_there(
    block: Block, folder: Folder, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(folder, tmp_path / "house", run, monkeypatch)
    monkeypatch.chdir(house.root)
    monkeypatch.setattr("bot.command_line.backup.lower_priority", lambda _: None)  # it would be that of the tests
    for command in block.commands:
        if is_excluded(command):
            continue
        for told, prepare in BEFORE.items():
            if command.startswith(told):
                prepare(house)
        command = re.sub(r"\s+#\s.*$", "", command)
        code, said = house.give(command)
        assert code == CODES.get(command, 0), said


def test_what_is_not_given_stands_in_the_documents_and_has_a_reason() -> None:
    shown = [command for block in blocks() for command in block.commands]
    assert len(GIVEN) >= 15
    assert sum(not is_excluded(command) for command in shown) >= 40
    assert [start for start in EXCLUDED if not any(command.startswith(start) for command in shown)] == []
    assert [start for start in BEFORE if not any(command.startswith(start) for command in shown)] == []
