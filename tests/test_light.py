"""The light install: what it leaves out and nothing else, and that it is enough."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
LEFT_OUT = {"torch", "torchvision", "open-clip-torch", "transformers"}


def test_the_light_requirements_are_all_but_what_loads_and_exports_a_model() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    lines = (ROOT / "requirements-light.txt").read_text().splitlines()
    light = [line for line in lines if line and not line.startswith("#")]
    names = {line: re.split(r"[<>=!~;\[ ]", line)[0] for line in declared}
    assert light == [line for line in declared if names[line] not in LEFT_OUT]
    assert set(names.values()) > LEFT_OUT
