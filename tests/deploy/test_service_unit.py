"""The systemd units in deploy/, judged by systemd's own tools where they are."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.cli import command_parser
from bot.config.loader import all_keys
from bot.config.tables import Config

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy/afterimage.service"
TEMPLATE = ROOT / "deploy/afterimage@.service"
both = pytest.mark.parametrize("unit", [UNIT, TEMPLATE], ids=["one process", "a process of several"])

MOST_EXPOSED = 20  # tenths, as systemd-analyze counts: 0 is safe, 100 is not protected at all


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False)


@both
def test_systemd_understands_every_line(tmp_path: Path, unit: Path) -> None:
    installed = tmp_path / unit.name.replace("@", "@a")  # with a program that there is on this machine
    installed.write_text(unit.read_text().replace("/opt/afterimage/bin/afterimage", sys.executable))
    done = analyze("verify", "--man=no", str(installed))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@both
def test_the_service_is_hardly_exposed(tmp_path: Path, unit: Path) -> None:
    installed = tmp_path / unit.name.replace("@", "@a")
    installed.write_text(unit.read_text())
    done = analyze("security", "--offline=yes", f"--threshold={MOST_EXPOSED}", str(installed))
    assert done.returncode == 0, done.stdout[-400:]


@both
def test_its_command_and_its_variables_exist_and_its_end_is_waited_for(unit: Path) -> None:
    text = unit.read_text()
    command = re.search(r"^ExecStart=\S+/afterimage (.+)$", text, re.MULTILINE)
    assert command is not None
    command_parser().parse_args(command[1].split())
    assert set(re.findall(r"\bAFTERIMAGE_[A-Z_]+", text)) <= {key.variable for key in all_keys().values()}
    wait = re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert wait is not None
    assert int(wait[1]) > Config().discord.shutdown_s


def test_a_process_of_several_is_locked_as_the_only_one_is() -> None:
    """But for what they share: weights, the turns to connect, and so the user."""
    alone, several = (set(path.read_text().partition("KillMode=")[2].splitlines()) for path in (UNIT, TEMPLATE))
    assert {line for line in alone - several if not line.startswith("#")} == {"RemoveIPC=yes"}
