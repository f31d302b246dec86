"""What an earlier start found out about the configured model, kept in the data folder: `known-model.json`.

With it the bot opens its index and connects while the model is still being loaded. It holds for the very settings and
files that it was found with: a checkpoint of another size or time, another version of open_clip, or other settings, and
nothing is known. What is loaded later is compared with it.
"""

from __future__ import annotations

import json
import logging
import os
import stat
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from indexer.encode.protocol import specs_of
from indexer.platforms.files import replace_file
from indexer.records.pictures import ModelSpec, PixelSpec
from indexer.settings import ModelSettings

log = logging.getLogger(__name__)

FILE_NAME = "known-model.json"
MANIFEST = (
    "manifest.json"  # of an exported model: see indexer/encode/on_openvino/folder.py, which the bot never imports
)
_VERSION = 1
# The settings that say which vectors a model makes; how it runs (threads, precision, batches) changes none of them.
_WHICH = ("name", "pretrained", "config_file", "resize_mode", "cache_dir", "folder")


class KnownModel:
    """The file, for one model's settings."""

    def __init__(self, data_dir: Path, settings: ModelSettings) -> None:
        self._path = data_dir / FILE_NAME
        self._settings = settings

    def read(self) -> tuple[ModelSpec, PixelSpec] | None:
        """None where nothing is known of this model as it is configured now. Blocks for some milliseconds.

        How it runs (device, precision) is not kept: that is chosen anew at each start of the bot."""
        try:
            known = json.loads(self._path.read_text("utf-8"))
            if known["version"] == _VERSION and known["found_with"] == _found_with(self._settings):
                return specs_of(known)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.info("%s cannot be used (%s): the model is asked instead", self._path, error)
        return self._of_export()

    def _of_export(self) -> tuple[ModelSpec, PixelSpec] | None:
        """What an exported model's own manifest says, so that its very first start waits for nothing."""
        if self._settings.folder is None:
            return None
        try:
            return specs_of(json.loads((self._settings.folder.expanduser() / MANIFEST).read_text("utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            return None  # what is wrong with it is said by whoever loads it

    def keep(self, spec: ModelSpec, pixel_spec: PixelSpec) -> None:
        """Writes the file; a disk that takes none costs the next start some seconds. Blocks."""
        value = {
            "version": _VERSION,
            "found_with": _found_with(self._settings),
            "spec": asdict(spec),
            "pixel_spec": asdict(pixel_spec),
        }
        try:
            replace_file(self._path, json.dumps(value, indent=1).encode())
        except OSError as error:
            log.info("%s cannot be written (%s): the next start waits for the model", self._path, error)

    def forget(self) -> None:
        """What was known is not true. Blocks."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def _found_with(settings: ModelSettings) -> dict[str, Any]:
    """As JSON gives it back."""
    try:
        library = version("open_clip_torch")
    except PackageNotFoundError:
        library = ""
    chosen = {key: str(getattr(settings, key) or "") for key in _WHICH}
    return {"settings": chosen, "open_clip": library, "files": [_state(path) for path in _files(settings)]}


def _files(settings: ModelSettings) -> list[Path]:
    """The files that the settings name; what the hub holds is known by its name."""
    if settings.folder is not None:  # then nothing else is asked
        return [settings.folder.expanduser() / MANIFEST]
    files = [] if settings.config_file is None else [settings.config_file]
    if settings.local_folder is not None:
        with suppress(OSError):
            files += sorted(settings.local_folder.iterdir())
    elif settings.pretrained:
        files.append(Path(settings.pretrained).expanduser())
    return files


def _state(path: Path) -> list[str | int]:
    """The path, bytes and nanoseconds of the last change; zeros where there is no such file (a tag is none)."""
    with suppress(OSError):
        found = path.stat()
        if stat.S_ISREG(found.st_mode):
            return [os.fspath(path), found.st_size, found.st_mtime_ns]
    return [os.fspath(path), 0, 0]
