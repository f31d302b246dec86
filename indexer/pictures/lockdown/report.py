"""Which parts of the lock-down are in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lockdown:
    """Every part by its name; the text says why it is not in force, and is empty where it is."""

    parts: Mapping[str, str]

    @property
    def in_force(self) -> tuple[str, ...]:
        return tuple(part for part, missing in self.parts.items() if not missing)

    @property
    def missing(self) -> Mapping[str, str]:
        return {part: why for part, why in self.parts.items() if why}

    def __str__(self) -> str:
        """One line for people."""
        missing = ", ".join(f"{part} ({why})" for part, why in self.missing.items())
        return (", ".join(self.in_force) or "nothing") + (f"; not in force: {missing}" if missing else "")
