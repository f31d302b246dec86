"""Logging to standard error, for people or log collectors. Tokens, signatures and control characters are removed."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from bot.config.tables import LogSettings
from bot.config.values import TOKEN_SHAPE, Secret
from bot.observability.terminal import as_json, visible
from indexer.correlation import cause

# faiss logs at info level which of its builds it could not find.
_WORDY = ("faiss.loader",)
# Libraries that log every statement or chunk at debug level: their lines hide the bot's own lines.
_CHATTY = ("aiosqlite", "asyncio", "PIL", "httpcore", "httpx", "urllib3", "filelock", "fsspec", "matplotlib")

HIDDEN = "<hidden>"
# At debug level discord.py writes whole payloads of the gateway, and the address of every request. Whoever has the
# token of an interaction or webhook can answer in the bot's name. Whoever has a link's signature can open the file,
# whatever channel it is in.
_SECRETS = (
    (re.compile(r"(/(?:interactions|webhooks)/\d+/)[^\s/?'\"]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(['\"]token\\?['\"]:\s*\\?['\"])[^'\"]+"), rf"\1{HIDDEN}"),
    (re.compile(r"aW50ZXJhY3Rpb246[\w+/=-]+"), HIDDEN),  # "interaction:" in base64, as each of their tokens begins
    (re.compile(r"((?:[?&]|u0026)(?:ex|is|hm)=)[0-9a-fA-F]+"), rf"\1{HIDDEN}"),
    (TOKEN_SHAPE, HIDDEN),
    (re.compile(r"(afterimage_\d+_)[\w-]{43}"), rf"\1{HIDDEN}"),  # a key of the HTTP interface
)


class _Redacting(logging.Formatter):
    """Removes secrets from the finished text, including tracebacks.
    It is the last step, so that no text passes without it.
    """

    def __init__(self, secrets: Sequence[Secret]) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self._secrets = [secret.reveal() for secret in secrets]

    def redact(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        for shape, instead in _SECRETS:
            text = shape.sub(instead, text)
        return text

    def format(self, record: logging.LogRecord) -> str:
        # Further lines of a record are indented: a member's text with a line break cannot look like a record of its
        # own.
        return visible(self.redact(super().format(record))).replace("\n", "\n    ")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 -- the name that logging calls
        text = super().formatMessage(record)
        request = cause()
        return text if request is None or request.request_id in text else f"{text} [request {request.request_id}]"


class _Json(_Redacting):
    """One JSON object on each line:
    time (RFC 3339, UTC), level, logger, message, and error where there is a traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry = {
            "time": f"{seconds}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.redact(record.getMessage()),
        }
        if (request := cause()) is not None:
            entry["request"] = request.request_id
        if record.exc_info:
            entry["error"] = self.redact(self.formatException(record.exc_info))
        return as_json(entry)


@contextmanager
def logging_to(settings: LogSettings, secrets: Sequence[Secret] = (), stream: TextIO | None = None) -> Iterator[None]:
    """While inside, all logging and Python's warnings go to `stream` (None: standard error) in the given form."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter((_Json if settings.format == "json" else _Redacting)(secrets))
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    root = logging.getLogger()
    before_handlers, before_level = root.handlers[:], root.level
    quiet = dict.fromkeys(_CHATTY, logging.INFO) | dict.fromkeys(_WORDY, logging.WARNING)
    before_quiet = {name: logging.getLogger(name).level for name in quiet}
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, least in quiet.items():
        logging.getLogger(name).setLevel(max(level, least))
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        handler.flush()
        root.handlers[:] = before_handlers
        root.setLevel(before_level)
        for name, before in before_quiet.items():
            logging.getLogger(name).setLevel(before)
