"""The errors of the indexer: the type says what the caller should do.

AfterimageError
├── RetryLater        the item is fine, the moment is not: try again, after `retry_after` seconds if given
│   ├── ReadersBusy       the processes that open pictures have no time for it
│   ├── ModelAway         the model is not loaded, and cannot be just now
│   ├── NoMemory          the model has no memory for so much at once: try less
│   └── DiskFull          the disk has no room for it
├── Rejected          this item will never work: record `reason`, skip it, go on
├── LinkExpired       a signed link no longer works: fetch the message anew and use its fresh link
├── Told              has a sentence for a person: a key of the message catalogue and values
│   ├── ChannelClosed     the channel cannot be read (any more): park it with the sentence as reason, go on with others
│   │   ├── ArchiveClosed because the archive that has it cannot be read
│   │   └── ChannelGone   it does not exist any more: delete what is known of it
│   └── TellPerson        a person did something that can be put right: show the sentence to that person
└── Stop              nothing can go on: print the message, exit
    ├── ConfigError       a setting is wrong
    ├── StorageError      the data folder cannot be used as it is
    └── ModelUnavailable  the model's weights cannot be had or do not fit

Every message says what happened, to what, and what to do about it. Those of Stop are for whoever runs the bot, in
English like the log; a sentence for a member has no words before the bot shows it.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from indexer.sentence import Sentence, Value


class AfterimageError(Exception):
    """The root of everything that Afterimage raises on purpose."""


class RetryLater(AfterimageError):
    """Try the same thing again, not before `retry_after` seconds (None: the caller's own back-off)."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ReadersBusy(RetryLater):
    """No process that opens pictures is free in time, or none can be started now."""


class ModelAway(RetryLater):
    """The model is not loaded and cannot be just now, or its process ended over what it was asked."""


class NoMemory(RetryLater):
    """The model has no memory for so much at once: less may succeed."""


class DiskFull(RetryLater):
    """The disk has no room, or only what is kept free for deletions and answers."""


class Reason(StrEnum):
    """Why a picture is not searchable. Stored, counted in `status`; the edge has a sentence for each."""

    EMPTY = "empty"
    NOT_A_PICTURE = "not-a-picture"
    VIDEO = "video"
    DOCUMENT = "document"
    CORRUPT = "corrupt"
    TRUNCATED = "truncated"
    UNSUPPORTED = "unsupported-format"
    NEEDS_HEIC = "needs-heic"
    NEEDS_RAW = "needs-raw"
    TOO_MANY_PIXELS = "too-many-pixels"
    TOO_MANY_PARTS = "too-many-parts"
    TOO_MANY_BYTES = "too-many-bytes"
    TOO_SLOW = "too-slow"
    TOO_MUCH_MEMORY = "too-much-memory"
    WORKER_DIED = "worker-died"
    HOST_NOT_ALLOWED = "host-not-allowed"
    GONE = "gone"
    FORBIDDEN = "forbidden"
    UNREACHABLE = "unreachable"
    READERS_BUSY = "readers-busy"
    INTERNAL = "internal"

    @property
    def sentence(self) -> Sentence:
        """For a picture whose file's format is not known any more."""
        return Sentence(f"reason-{self.value}", {"format": "none"})


class Rejected(AfterimageError):
    """This item will never work. `reason` is stored with it; `detail` goes to the log.

    `file_format` names the format of a file that is not opened ("TGA", "MP4"), and is empty for every other reason.
    """

    def __init__(self, reason: Reason, detail: str = "", *, file_format: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.sentence = Sentence(f"reason-{reason.value}", {"format": file_format or "none"})
        self.reason = reason
        self.detail = detail
        self.file_format = file_format


class LinkExpired(AfterimageError):
    """A signed link no longer works: fetch the message anew and use its fresh link."""


class Told(AfterimageError):
    """An error whose `sentence` a person may read; `str(error)` is its key and values, for the log."""

    def __init__(self, key: str, /, **values: Value) -> None:
        """`key` is one of the message catalogue; `values` stand in its text, or are for the log alone."""
        self.sentence = Sentence(key, values)
        super().__init__(str(self.sentence))


class ChannelClosed(Told):
    """The channel cannot be read (any more): park it with its sentence as the reason, go on with the others."""


class ArchiveClosed(ChannelClosed):
    """The archive at `location` cannot be read (any more). People are told its name; the log says where it lies."""

    def __init__(self, location: Path) -> None:
        super().__init__("closed-archive", archive=location.name, location=str(location))


class ChannelGone(ChannelClosed):
    """The channel, or its guild, does not exist any more for this bot: delete what is known of it, go on."""


class TellPerson(Told):
    """The sentence is for the person who asked: what is wrong, and how to put it right."""


class Stop(AfterimageError):
    """Nothing can go on; the message is for whoever runs the bot."""


class ConfigError(Stop):
    """A setting is wrong: names key, value and what is allowed."""


class StorageError(Stop):
    """The data folder cannot be used as it is: held by another process, newer schema, not ours."""


class FolderInUse(StorageError):
    """Another process writes the data folder; the message names it."""


class ModelUnavailable(Stop):
    """The model's weights cannot be had or do not fit: says which, from where, and the ways out."""
