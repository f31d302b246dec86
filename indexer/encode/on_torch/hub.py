"""The hub that weights come from: bounded waits, and one voice in the log."""

from __future__ import annotations

import logging
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

_REACH_S = 5.0  # seconds to find out whether the hub can be reached; its own client tries for 46 s
_STALL_S = 60.0  # seconds without a byte after which a download counts as broken


@contextmanager
def bounded_network(*, needed: bool) -> Iterator[str]:
    """Bounds what a download may hang for. Yields why the hub cannot be reached, or "" where it can or need not be.

    Without network the hub's client is told so: it then looks only into its cache, at once.
    """
    from huggingface_hub import constants

    before, stall = constants.HF_HUB_OFFLINE, socket.getdefaulttimeout()
    unreachable = _why_unreachable(constants.ENDPOINT) if needed and not before else ""
    if unreachable:
        log.info(
            "%s cannot be reached (%s): looking for the weights in the cache only", constants.ENDPOINT, unreachable
        )
    constants.HF_HUB_OFFLINE = before or bool(unreachable)
    socket.setdefaulttimeout(_STALL_S)
    try:
        yield unreachable or ("HF_HUB_OFFLINE is set" if before else "")
    finally:
        constants.HF_HUB_OFFLINE = before
        socket.setdefaulttimeout(stall)


@contextmanager
def one_voice() -> Iterator[None]:
    """open_clip logs its every step, and each failure that it also raises, to the root logger: to our debug log
    instead, so that a failure is told once."""

    def divert(record: logging.LogRecord) -> bool:
        if "open_clip" not in record.pathname:
            return True
        log.debug("open_clip: %s", record.getMessage())
        return False

    root = logging.getLogger()
    root.addFilter(divert)  # a logger's filter sees only what is logged to that very logger
    try:
        yield
    finally:
        root.removeFilter(divert)


def _why_unreachable(endpoint: str) -> str:
    if urllib.request.getproxies():  # then only the proxy can tell
        return ""
    parts = urllib.parse.urlsplit(endpoint)
    try:
        address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        socket.create_connection(address, _REACH_S).close()
    except OSError as error:
        return error.strerror or str(error) or type(error).__name__
    return ""
