"""Which file of an export shows a picture: the paths that exports name, and the names that the exporter gives to files.

An export names a file by a path below its own folder, in the separators of the machine that wrote it, or by an absolute
path where its media folder lay elsewhere. It has often been moved since, so an absolute path is looked up by its tail.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from indexer.archives.expansion import Refused
from indexer.archives.folders import Folder, Parts
from indexer.picture_links import SIGNATURE
from indexer.sentence import Sentence

_ABSOLUTE: Final = re.compile(r"[/\\]|[A-Za-z]:")
_TAIL: Final = 4  # parts of an absolute path that are tried below a folder, the longest tail first
# The exporter's own rule for the files that it saves (with and without --reuse-media).
_STEM_CHARACTERS: Final = 42
_SUFFIX_CHARACTERS: Final = 41
_HASH_CHARACTERS: Final = 5


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file that is there. `label` is what a person sees; it finds the file again, too."""

    folder: Folder
    parts: Parts

    @property
    def label(self) -> str:
        return self.folder.label(self.parts)


class Media:
    """Finds the files of one document. `folders`: the export's own first, then those that the user names."""

    def __init__(self, folders: Sequence[Folder], document: Parts) -> None:
        self._folders = folders
        self._beside = document[:-1]
        name = document[-1]
        self._saved = (*self._beside, f"{name}_Files")  # where --media saves what belongs to this document
        part = re.sub(r" \[part \d+\](?=\.[^.]+$)", "", name)
        self._shared = (*self._beside, f"{part}_Files")

    def named(self, path: str) -> MediaFile | None:
        """The file that an export names by this path; None where it is not there.

        Raises Refused where the path leads out of every folder that may be read.
        """
        refused: Refused | None = None
        for name in dict.fromkeys((path, path.replace("\\", "/"), unquote(path.replace("\\", "/")))):
            for folder, parts in self._candidates(name):
                climbed = _resolved(parts)
                if climbed is None:
                    refused = Refused(Sentence("archive-climbs"))
                    continue
                for spelled in dict.fromkeys((climbed, _spelled(climbed, "NFC"), _spelled(climbed, "NFD"))):
                    try:
                        if folder.has(spelled):
                            return MediaFile(folder, spelled)
                    except Refused as error:
                        refused = error
        if refused is None and _ABSOLUTE.match(path) and _is_file(path):
            refused = Refused(Sentence("archive-outside"))
        if refused is not None:
            raise refused
        return None

    def saved(self, url: str) -> MediaFile | None:
        """The file that the exporter has saved of this address at another time; None where there is none."""
        for folder in self._folders:
            bases = (self._saved, self._shared) if folder is self._folders[0] else ((),)
            for base in dict.fromkeys(bases):
                for name in _saved_names(url):
                    try:
                        if folder.has((*base, name)):
                            return MediaFile(folder, (*base, name))
                    except Refused:
                        continue
        return None

    def _candidates(self, name: str) -> Iterator[tuple[Folder, Parts]]:
        if not _ABSOLUTE.match(name):
            yield self._folders[0], (*self._beside, *_split(name))
            for folder in self._folders[1:]:
                yield folder, _split(name)[-1:]
            return
        for folder in self._folders:
            if (inside := folder.parts_of(name)) is not None:
                yield folder, inside
        tail = tuple(part for part in _split(name)[-_TAIL:] if part != "..")
        for folder in self._folders:
            base = self._beside if folder is self._folders[0] else ()
            for count in range(len(tail), 0, -1):
                yield folder, (*base, *tail[-count:])


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def _split(name: str) -> Parts:
    return tuple(part for part in name.split("/") if part not in ("", "."))


def _resolved(parts: Parts) -> Parts | None:
    """Without `..`; None where they climb above the root."""
    result: list[str] = []
    for part in parts:
        if part != "..":
            result.append(part)
        elif result:
            result.pop()
        else:
            return None
    return tuple(result)


def _spelled(parts: Parts, form: Literal["NFC", "NFD"]) -> Parts:
    return tuple(unicodedata.normalize(form, part) for part in parts)


def _saved_names(url: str) -> Iterator[str]:
    """The names that versions of the exporter give to the file of an address: its own name with a hash in it."""
    parts = urlsplit(url)
    name = PurePosixPath(parts.path).name
    query = urlencode([pair for pair in parse_qsl(parts.query) if pair[0] not in SIGNATURE])
    unsigned = urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")) + query
    stem, dot, suffix = name.rpartition(".")
    if not dot or not stem or len(suffix) >= _SUFFIX_CHARACTERS:
        stem, suffix = name, ""
    for address in dict.fromkeys((unsigned, url)):
        digest = hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_CHARACTERS]
        for shown in (digest.upper(), digest):
            yield f"{stem[:_STEM_CHARACTERS]}-{shown}{dot if suffix else ''}{suffix}" if name else shown
