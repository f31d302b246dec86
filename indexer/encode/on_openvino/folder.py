"""An exported model on disk: a folder with a manifest that says of what it was made and what its files hold.

    manifest.json     the Manifest; written last, so a folder without it is none
    vision.xml .bin   the network for pictures: uint8 [n, size, size, 3] → unit vectors
    text.xml .bin     the network for texts: token ids (and the words' rows) → unit vectors
    words.npy         float16 [vocabulary, width]: the rows of the words, mapped; not there where text.bin has them
    tokenizer.json    text → token ids
    reference.npy     float32 [pictures + texts of the trial set, d]: what torch makes of them in float32

A folder is made under another name, synced and renamed: half of one is never found under its own. Nothing here imports
torch or openvino.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from indexer.encode.on_openvino.records import (
    json_of,
    length_and_times,
    records_folder,
    sha256_of,
    sha256_once,
    write_record,
)
from indexer.encode.protocol import specs_of
from indexer.encode.text_facts import TextFacts
from indexer.platforms.file_lock import let_go, try_lock
from indexer.platforms.files import BINARY, sync_file, sync_folder
from indexer.records.pictures import ModelSpec, PixelSpec
from indexer.settings import ModelSettings

log = logging.getLogger(__name__)

FORMAT: Final = 2
"""Of the folder. A change of what the files hold makes it another one, and every export is made anew."""
MANIFEST: Final = "manifest.json"
PACKAGES: Final = ("open-clip-torch", "openvino", "timm", "torch", "transformers")
"""Whose versions an export depends on."""
CHECKPOINTS: Final = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".npz", ".npy")
"""How files of weights end, as open_clip knows them."""

_POLL_S = 0.1  # seconds between two looks whether another export has ended
# How the names of folders end that are being made, or that another one takes the place of. Ours alone: what has such a
# name in the folder of exports is deleted there.
_MAKING, _BEFORE = ".afterimage-making", ".afterimage-before"


class Damaged(Exception):
    """The folder is not what its manifest says, or has none that can be read: says what is wrong."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`source` is what the configuration says of the model, `versions` those of PACKAGES. `weights` is the precision
    of what is stored: float16 or float32. `files` are SHA-256 and length of each."""

    source: dict[str, str]
    versions: dict[str, str]
    weights: str
    spec: ModelSpec
    pixel_spec: PixelSpec
    text: TextFacts
    files: dict[str, tuple[str, int]]
    format: int = FORMAT

    @property
    def digest(self) -> str:
        """Of everything it says: another export has another one."""
        return hashlib.sha256(self.as_text().encode()).hexdigest()

    def as_text(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def of(cls, text: str) -> Manifest:
        """Raises ValueError, KeyError or TypeError for what is none."""
        told = json.loads(text)
        if told["format"] != FORMAT:
            raise ValueError(f"format {told['format']}, and this version reads {FORMAT}")
        spec, pixel_spec = specs_of(told)
        return cls(
            source=dict(told["source"]),
            versions=dict(told["versions"]),
            weights=str(told["weights"]),
            spec=spec,
            pixel_spec=pixel_spec,
            text=TextFacts(**told["text"]),
            files={name: (str(digest), int(length)) for name, (digest, length) in told["files"].items()},
        )


def source_of(settings: ModelSettings) -> dict[str, str]:
    """What the configuration says of a model, with files by their content, which is read once (see `sha256_once`).

    Raises OSError where one cannot be read.
    """
    records = records_folder(settings)
    source = {"name": settings.name, "pretrained": settings.pretrained, "resize_mode": settings.resize_mode}
    if settings.config_file is not None:
        source["config"] = sha256_of(settings.config_file)
    if (folder := settings.local_folder) is not None:
        said = [path for path in sorted(folder.iterdir()) if path.suffix in (*CHECKPOINTS, ".json")]
        sums = [sha256_once(path, records) for path in said]
        source["folder"] = hashlib.sha256("".join(sums).encode()).hexdigest()
    elif settings.pretrained and (checkpoint := Path(settings.pretrained).expanduser()).is_file():
        source["checkpoint"] = sha256_once(checkpoint, records)
        del source["pretrained"]  # where the file lies makes no difference
    return source


def installed_versions() -> dict[str, str]:
    """Of those of PACKAGES that are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def read_manifest(folder: Path) -> Manifest:
    """Raises Damaged."""
    try:
        return Manifest.of((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Damaged(f"{folder} holds no exported model: it has no {MANIFEST}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{folder / MANIFEST} cannot be read ({type(error).__name__}: {error})") from error


def why_outdated(manifest: Manifest, source: dict[str, str], versions: dict[str, str]) -> str:
    """What has changed since the export was made, in words; "" where nothing has.

    A package that is not installed says nothing: an export serves without those that made it.
    """
    for key in sorted(manifest.source.keys() | source.keys()):
        if manifest.source.get(key) != source.get(key):
            return f"the model's {key} is another"
    for package, version in versions.items():
        if package in manifest.versions and manifest.versions[package] != version:
            return f"{package} is {version}, and it was made with {manifest.versions[package]}"
    return ""


def verify(folder: Path, manifest: Manifest) -> None:
    """Reads every file. Raises Damaged for the first one that is not what the manifest says."""
    for name, (digest, length) in manifest.files.items():
        path = folder / name
        try:
            found = path.stat().st_size
            if found != length:
                raise Damaged(f"{path} has {found:,} bytes, and not {length:,}")
            if sha256_of(path) != digest:
                raise Damaged(f"{path} holds other bytes than were written")
        except OSError as error:
            raise Damaged(f"{path} cannot be read ({error.strerror})") from error


def verify_once(folder: Path, manifest: Manifest, records: Path | None) -> None:
    """The same, and keeps in `records` what was read: while no file has changed, none is read again. Raises Damaged."""
    try:
        as_found = [length_and_times(folder / name) for name in sorted(manifest.files)]
    except OSError as error:
        raise Damaged(f"{error.filename} cannot be read ({error.strerror})") from error
    record = record_of(manifest, records, "files")
    if record is not None and json_of(record) == as_found:
        return
    verify(folder, manifest)
    if record is not None:
        write_record(record, as_found)


def record_of(manifest: Manifest, records: Path | None, what: str) -> Path | None:
    """The file that says something of an export on this machine; None where none is kept."""
    return records / f"{manifest.digest[:16]}.{what}.json" if records else None


def write_folder(folder: Path, fill: Callable[[Path], Manifest]) -> Manifest:
    """Makes `folder` in one step: `fill` writes the files into the folder it is given and returns what they are.

    What was there before is replaced. To be called within `alone_in` where several may make it. Raises OSError, and
    whatever `fill` raises; then nothing has changed.
    """
    making, before = (folder.parent / f".{folder.name}{end}" for end in (_MAKING, _BEFORE))
    shutil.rmtree(making, ignore_errors=True)  # where this was killed
    making.mkdir()
    try:
        manifest = fill(making)
        (making / MANIFEST).write_text(manifest.as_text(), encoding="utf-8")
        for path in making.iterdir():
            sync_file(path)
        sync_folder(making)
        if folder.exists():
            folder.rename(before)
            making.rename(folder)
            shutil.rmtree(before, ignore_errors=True)
        else:
            making.rename(folder)
        sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    return manifest


def folder_name(settings: ModelSettings, source: dict[str, str]) -> str:
    """Of a model's export in the folder of all exports: readable, and another one for another source."""
    stem = (settings.local_folder or Path(settings.name)).name or "model"
    key = hashlib.sha256(json.dumps(source, sort_keys=True).encode()).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '-', stem)}-{key}"


def described(folder: Path, names: list[str]) -> dict[str, tuple[str, int]]:
    """SHA-256 and length of each of the files."""
    return {name: (sha256_of(folder / name), (folder / name).stat().st_size) for name in names}


@contextmanager
def alone_in(exports: Path) -> Iterator[None]:
    """One process at a time makes exports in this folder: the others wait here. Raises OSError.

    Deletes what an export that was killed has left.
    """
    exports.mkdir(parents=True, exist_ok=True)
    handle = os.open(exports / ".lock", os.O_RDWR | os.O_CREAT | BINARY, 0o600)
    try:
        _take(handle, exports)
        for left in (*exports.glob(f".*{_MAKING}"), *exports.glob(f".*{_BEFORE}")):
            log.info("deleting %s, which an export left that did not end", left)
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        let_go(handle)


def _take(handle: int, exports: Path) -> None:
    """Takes the lock of `alone_in`. The wait ends with this process, which has a deadline (export_process.py)."""
    told = False
    while True:
        try:
            try_lock(handle)
        except BlockingIOError:
            if not told:
                log.info("waiting for another process, which is making an export in %s", exports)
                told = True
            time.sleep(_POLL_S)
        else:
            return
