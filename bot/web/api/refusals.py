"""What the indexer refuses, as an answer. No answer names a file of this machine; the words for the log do."""

from __future__ import annotations

import logging
from http import HTTPStatus

from bot.control.confirmed import CountChanged
from bot.texts.errors import english
from bot.web.api.operation import Operation
from bot.web.errors import ApiError
from indexer.errors import (
    AfterimageError,
    DiskFull,
    ModelAway,
    ModelUnavailable,
    ReadersBusy,
    Rejected,
    RetryLater,
    Stop,
    Told,
)
from indexer.jobs import JobRefused
from indexer.long_work import AlreadyRunning, TooManyWaiting

log = logging.getLogger(__name__)

# What `busy` means, by the error: the first that fits.
_BUSY: tuple[tuple[type[AfterimageError], str], ...] = (
    (AlreadyRunning, "What this key has asked for before is still being worked on; ask again when that is done."),
    (TooManyWaiting, "Too many others wait for the same; ask again later."),
    (DiskFull, "The disk has no room for this; ask again when there is room on it."),
    (ReadersBusy, "What opens pictures is busy; ask again in a moment."),
    (ModelAway, "The model is not there just now; ask again in a moment. Filters alone work without it."),
    (ModelUnavailable, "The model cannot be had; the log says why. Filters alone work without it."),
    (RetryLater, "What this needs is busy; ask again in a moment. The log says more."),
    (Stop, "What this needs cannot be used just now; the log says why."),
)


def refusal(error: AfterimageError, operation: Operation) -> ApiError:
    """The answer that fits. Raises what is no refusal but a fault."""
    match error:
        case JobRefused():
            return ApiError(HTTPStatus.CONFLICT, "conflict", english(error))
        case CountChanged():
            return ApiError(HTTPStatus.CONFLICT, "conflict", english(error), {"count": error.counted})
        case Rejected():
            details = {"reason": error.reason.value}
            return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "bad_picture", english(error), details)
        case Told():
            codes = {code for status, code in operation.refusals if status is HTTPStatus.UNPROCESSABLE_ENTITY}
            return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, min(codes, default="bad_question"), english(error))
    for kind, message in _BUSY:
        if isinstance(error, kind):
            log.info("%s cannot be done now: %s", operation.name, error)
            return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "busy", message, headers={"Retry-After": "5"})
    raise error
