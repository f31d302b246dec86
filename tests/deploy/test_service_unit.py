"""deploy/afterimage.service, judged by systemd's own tools where they are."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.cli import command_parser
from bot.config.loader import Config, all_keys

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy/afterimage.service"

MOST_EXPOSED = 20  # tenths, as systemd-analyze counts: 0 is safe, 100 is not protected at all


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    installed = tmp_path / UNIT.name  # with a program that there is on this machine
    installed.write_text(UNIT.read_text().replace("/opt/afterimage/bin/afterimage", sys.executable))
    done = analyze("verify", "--man=no", str(installed))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_service_is_hardly_exposed() -> None:
    done = analyze("security", "--offline=yes", f"--threshold={MOST_EXPOSED}", str(UNIT))
    assert done.returncode == 0, done.stdout[-400:]


def test_its_command_and_its_variables_exist_and_its_end_is_waited_for() -> None:
    text = UNIT.read_text()
    command = re.search(r"^ExecStart=\S+/afterimage (.+)$", text, re.MULTILINE)
    assert command is not None
    command_parser().parse_args(command[1].split())
    assert set(re.findall(r"\bAFTERIMAGE_[A-Z_]+", text)) <= {key.variable for key in all_keys().values()}
    wait = re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert wait is not None
    assert int(wait[1]) > Config().discord.shutdown_s
