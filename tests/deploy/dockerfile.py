"""The Dockerfile as a list of instructions."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

Instruction = tuple[str, str]


def instructions() -> list[Instruction]:
    """(INSTRUCTION, rest) in order, continuation lines joined, comments left out."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


def stages() -> list[list[Instruction]]:
    """Each from its FROM on; what stands before the first is left out."""
    found: list[list[Instruction]] = []
    for name, rest in instructions():
        if name == "FROM":
            found.append([])
        if found:
            found[-1].append((name, rest))
    return found


def final_stage() -> list[Instruction]:
    return stages()[-1]


def variables(stage: list[Instruction]) -> dict[str, str]:
    """What a stage's ENV instructions set."""
    return dict(part.split("=", 1) for name, rest in stage if name == "ENV" for part in shlex.split(rest))


def final_environment() -> dict[str, str]:
    return variables(final_stage())
