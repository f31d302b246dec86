"""How torch's threads wait is settled before torch is imported."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("given", "waiting"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")]
)
def test_torchs_threads_wait_briefly_unless_the_environment_says_otherwise(given: dict[str, str], waiting: str) -> None:
    code = "import os, indexer.encode.on_torch.openmp as o; o.spin_briefly(); print(os.environ.get('GOMP_SPINCOUNT'))"
    kept = {key: value for key, value in os.environ.items() if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    shown = subprocess.run([sys.executable, "-c", code], env=kept | given, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == waiting
