"""A process of a simulation that claims what one alone may have: each step of its work at a moment of the caller's."""

from __future__ import annotations

from dataclasses import dataclass

from indexer.fleet.claim import Claim, Entry


@dataclass
class Attempt:
    """A creation that was begun: it takes effect, and its answer comes back, at any later moments."""

    number: int
    looked_s: float
    succeeded: bool | None = None


class Machine:
    """`lying` is what the storage has, by number. `now_s` is the machine's own clock in every call."""

    def __init__(self, name: str, lying: dict[int, Entry], ttl_s: float, usable_s: float) -> None:
        self.claim = Claim(name, ttl_s, usable_s)
        self.lying = lying
        self.look: tuple[float, tuple[int, Entry] | None] | None = None
        self.attempt: Attempt | None = None
        self.abandoned: list[Attempt] = []  # their time was up; they may take effect all the same

    def step(self, step: str, now_s: float) -> None:
        attempt = self.attempt
        match step:
            case "look" if attempt is None:
                self.look = (now_s, max(self.lying.items()) if self.lying else None)
            case "begin" if self.look is not None:
                looked_s, newest = self.look
                self.look = None
                if newest is not None:
                    self.claim.saw(*newest, now_s)
                if self.claim.may_try(now_s):
                    self.attempt = Attempt(self.claim.number + 1, looked_s)
            case "effect" if attempt is not None and attempt.succeeded is None:
                self._create(attempt)
            case "late effect" if self.abandoned:
                self._create(self.abandoned.pop())
            case "abandon" if attempt is not None:
                if attempt.succeeded is None:
                    self.abandoned.append(attempt)
                self.attempt = None
            case "answer" if attempt is not None and attempt.succeeded is not None:
                if attempt.succeeded:
                    self.claim.created(attempt.number, attempt.looked_s, now_s)
                else:
                    self.claim.refused()
                self.attempt = None
            case "delete" if attempt is None:
                for old in self.claim.outdated(now_s):
                    self.lying.pop(old, None)
                    del self.claim.seen_s[old]

    def _create(self, attempt: Attempt) -> None:
        attempt.succeeded = attempt.number not in self.lying
        self.lying.setdefault(attempt.number, Entry(self.claim.holder, self.claim.ttl_s))


STEPS = ("look", "look", "begin", "begin", "effect", "effect", "answer", "answer", "late effect", "abandon", "delete")
PAUSES_S = (0.0,) * 12 + (0.005, 0.02, 0.05, 0.1, 0.2, 0.4)
STOPPED_S = (3.0, 8.0, 12.0, 20.0, 40.0)
