"""What caused the work in hand: set at the edge, and named by every line of the log and of the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """A request from outside. `key_id`: the key that it came with; None while none is known."""

    request_id: str
    key_id: int | None = None


_CAUSE: ContextVar[Cause | None] = ContextVar("cause", default=None)


def cause() -> Cause | None:
    """The request that the running task works for. Tasks that this task starts work for it too."""
    return _CAUSE.get()


@contextmanager
def caused_by(cause: Cause) -> Iterator[None]:
    """The work inside the block is done for this request."""
    before = _CAUSE.set(cause)
    try:
        yield
    finally:
        _CAUSE.reset(before)
