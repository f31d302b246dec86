"""A writer killed at any moment costs repeated work, never lost or invented rows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

KILLS = 25


def test_a_killed_crawl_never_claims_what_it_did_not_store(data_dir: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.worlds.killed_crawl", data_dir, str(KILLS), "7"],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert run.returncode == 0, run.stderr
    looks = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(looks) == KILLS
    assert sum(look["killed"] for look in looks) > KILLS // 2
    for look in looks:
        assert look["spans"] <= 1, look
        assert (look["missing"], look["unclaimed"]) == (0, 0), look
        assert look["integrity"] == "ok", look
        assert look["orphans"] == [], look
        assert look["ready_without_picture"] == 0, look
        assert look["pictures_not_shown"] == 0, look
        assert look["pictures_not_embedded"] == 0, look
    progress = [look["covered"] for look in looks]
    assert progress == sorted(progress)
    assert progress[-1] > progress[0]
