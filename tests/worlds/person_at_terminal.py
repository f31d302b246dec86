"""A person at standard input, who takes their time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """In the place of `sys.stdin`: types the line when asked, after `meanwhile` has happened."""

    line: str
    meanwhile: Callable[[], None]

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        self.meanwhile()
        return f"{self.line}\n"
