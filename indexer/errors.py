"""The errors of the indexer: the type says what the caller should do.

AfterimageError
├── RetryLater        the item is fine, the moment is not: try again, after `retry_after` seconds if given
├── Rejected          this item will never work: record `reason`, skip it, go on
├── LinkExpired       a signed link no longer works: fetch the message anew and use its fresh link
├── ChannelClosed     the channel cannot be read (any more): park it with the message as reason, go on with others
│   └── ChannelGone   it does not exist any more: delete what is known of it
├── TellPerson        a person did something that can be put right: show the message to that person
└── Stop              nothing can go on: print the message, exit
    ├── ConfigError       a setting is wrong
    ├── StorageError      the data folder cannot be used as it is
    └── ModelUnavailable  the model's weights cannot be had or do not fit

Every message says what happened, to what, and what to do about it.
"""

from __future__ import annotations

from enum import StrEnum


class AfterimageError(Exception):
    """The root of everything that Afterimage raises on purpose."""


class RetryLater(AfterimageError):
    """Try the same thing again, not before `retry_after` seconds (None: the caller's own back-off)."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Reason(StrEnum):
    """Why a picture is not searchable. Stored, counted in `status`, shown to members as `SENTENCES[reason]`."""

    EMPTY = "empty"
    NOT_A_PICTURE = "not-a-picture"
    CORRUPT = "corrupt"
    TRUNCATED = "truncated"
    UNSUPPORTED = "unsupported-format"
    TOO_MANY_PIXELS = "too-many-pixels"
    TOO_MANY_BYTES = "too-many-bytes"
    TOO_SLOW = "too-slow"
    TOO_MUCH_MEMORY = "too-much-memory"
    WORKER_DIED = "worker-died"
    HOST_NOT_ALLOWED = "host-not-allowed"
    GONE = "gone"
    FORBIDDEN = "forbidden"
    UNREACHABLE = "unreachable"
    INTERNAL = "internal"


SENTENCES: dict[Reason, str] = {
    Reason.EMPTY: "The file is empty (0 bytes).",
    Reason.NOT_A_PICTURE: "The file is not a picture, whatever its name says.",
    Reason.CORRUPT: "The picture is damaged and cannot be read.",
    Reason.TRUNCATED: "The picture breaks off in the middle: its file is incomplete.",
    Reason.UNSUPPORTED: "This picture format is not supported; PNG, JPEG, WebP, GIF, AVIF, BMP and TIFF are.",
    Reason.TOO_MANY_PIXELS: "The picture has too many pixels to be opened safely.",
    Reason.TOO_MANY_BYTES: "The file is larger than this bot is allowed to download.",
    Reason.TOO_SLOW: "Reading the picture took too long.",
    Reason.TOO_MUCH_MEMORY: "Reading the picture needed too much memory.",
    Reason.WORKER_DIED: "Reading the picture crashed the reader; the bot goes on without it.",
    Reason.HOST_NOT_ALLOWED: "The picture lies on a host this bot does not contact.",
    Reason.GONE: "The picture is no longer there.",
    Reason.FORBIDDEN: "Discord does not let this bot read the picture.",
    Reason.UNREACHABLE: "The picture could not be downloaded after several tries.",
    Reason.INTERNAL: "This bot failed on the picture; its log says where.",
}


class Rejected(AfterimageError):
    """This item will never work. `reason` is stored with it; `detail` goes to the log."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{SENTENCES[reason]} ({detail})" if detail else SENTENCES[reason])
        self.reason = reason
        self.detail = detail


class LinkExpired(AfterimageError):
    """A signed link no longer works: fetch the message anew and use its fresh link."""


class ChannelClosed(AfterimageError):
    """The channel cannot be read (any more): park it with this message as its reason, go on with the others."""


class ChannelGone(ChannelClosed):
    """The channel, or its guild, does not exist any more for this bot: delete what is known of it, go on."""


class TellPerson(AfterimageError):
    """The message is one sentence for the person who asked."""


class Stop(AfterimageError):
    """Nothing can go on; the message is for whoever runs the bot."""


class ConfigError(Stop):
    """A setting is wrong: names key, value and what is allowed."""


class StorageError(Stop):
    """The data folder cannot be used as it is: held by another process, newer schema, not ours, no room."""


class ModelUnavailable(Stop):
    """The model's weights cannot be had or do not fit: says which, from where, and the ways out."""
