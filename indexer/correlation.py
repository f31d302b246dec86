"""What caused the work in hand: set at the edge, and named by every line of the log and of the audit log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """A request over HTTP, or a command in Discord. `key_id`: the key of a request; None where there is none."""

    request_id: str
    key_id: int | None = None


@dataclass(slots=True)
class _InHand:
    """A cause until its work is over. A task that it started may go on for hours, and for others by then."""

    cause: Cause
    over: bool = False

    def end(self) -> None:
        self.over = True


_IN_HAND: ContextVar[_InHand | None] = ContextVar("in hand", default=None)


def cause() -> Cause | None:
    """What the running task works for, or the task that started it; None where nothing caused it, or that is over."""
    in_hand = _IN_HAND.get()
    return None if in_hand is None or in_hand.over else in_hand.cause


def begin(cause: Cause) -> Callable[[], None]:
    """From now on the running task works for this; what is returned ends that."""
    in_hand = _InHand(cause)
    _IN_HAND.set(in_hand)
    return in_hand.end


@contextmanager
def caused_by(cause: Cause) -> Iterator[None]:
    """The work inside the block is done for this."""
    in_hand = _InHand(cause)
    before = _IN_HAND.set(in_hand)
    try:
        yield
    finally:
        in_hand.end()
        _IN_HAND.reset(before)
