"""The models that read words: those in rapidocr's wheel, or files of a folder. Does not import rapidocr."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from indexer.errors import ConfigError
from indexer.pictures.extras import Extra, installed

RAPIDOCR, RUNTIME = Extra("ocr", "rapidocr", 0), Extra("ocr", "onnxruntime", 0)
INSTALL = "pip install 'afterimage[ocr]'"

# What PP-OCRv6 small knows, which is in the wheel of rapidocr 3.10, by the usual codes: one model reads all of them.
# Not Vietnamese, of whose letters it lacks a twelfth (tests/ocr/test_languages.py).
LANGUAGES = frozenset(
    {"af", "az", "bs", "ca", "cs", "cy", "da", "de", "en", "es", "et", "eu", "fi", "fr", "ga", "gl", "hr", "hu", "id",
    "is", "it", "ja", "ku", "la", "lb", "lt", "lv", "mi", "ms", "mt", "nl", "no", "oc", "pl", "pt", "qu", "rm", "ro",
    "sk", "sl", "sq", "sv", "sw", "tl", "tr", "uz", "zh", "zh-tw"}
)  # fmt: skip
_DETECTION, _RECOGNITION = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"


@dataclass(frozen=True, slots=True)
class Models:
    """`detection` finds lines in a picture, `recognition` reads one; `keys` are its letters, where the model itself has
    none. `name` changes with what they read.
    """

    detection: Path
    recognition: Path
    keys: Path | None
    name: str


def find_models(folder: Path | None, languages: Collection[str]) -> Models:
    """The models of `folder`, or (None) those of the wheel. Raises ConfigError where something is missing, and where
    those of the wheel do not know one of the languages.
    """
    packaged = _packaged()
    if folder is not None:
        return _of_folder(folder.expanduser(), packaged / _DETECTION)
    unknown = sorted(set(languages) - LANGUAGES)
    if unknown:
        raise ConfigError(
            f"ocr.languages: the model that comes with rapidocr does not read {', '.join(unknown)}. It reads"
            f" {' '.join(sorted(LANGUAGES))}. For another script put a recognition model of PaddleOCR in ONNX form into"
            " a folder, as rec.onnx, and name the folder in ocr.models (docs/configuration.md says where to get one)."
        )
    for file in (_DETECTION, _RECOGNITION):
        if not (packaged / file).is_file():
            raise ConfigError(
                f"ocr.enabled: this version of rapidocr comes without {file}. Install the one that was tested:"
                f" {INSTALL} -c constraints.txt"
            )
    return Models(packaged / _DETECTION, packaged / _RECOGNITION, None, f"rapidocr {_version()}")


def _packaged() -> Path:
    """The folder of models in the wheel. Raises ConfigError where the extra is not installed."""
    spec = find_spec(RAPIDOCR.module) if installed(RAPIDOCR) and installed(RUNTIME) else None
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            "ocr.enabled: what reads words in pictures is not installed. Install it with this Python:"
            f" {INSTALL} (from a checkout: .venv/bin/pip install -c constraints.txt '.[ocr]'), or set"
            " ocr.enabled = false."
        )
    return Path(spec.submodule_search_locations[0]) / "models"


def _version() -> str:
    try:
        return version(RAPIDOCR.module)
    except PackageNotFoundError:
        return "of unknown version"


def _of_folder(folder: Path, detection: Path) -> Models:
    recognition = folder / "rec.onnx"
    if not recognition.is_file():
        raise ConfigError(
            f"ocr.models: {folder} has no rec.onnx, the model that reads a line. det.onnx (which finds lines) and"
            " keys.txt (the letters, one a line, where rec.onnx does not hold them) may lie beside it."
        )
    own = {name: folder / name for name in ("det.onnx", "keys.txt") if (folder / name).is_file()}
    found = (own.get("det.onnx", detection), recognition, own.get("keys.txt"))
    digest = hashlib.sha256()
    for path in found:
        if path is not None:
            state = path.stat()
            digest.update(f"{path.name} {state.st_size} {state.st_mtime_ns}\n".encode())
    return Models(*found, f"{folder.name} {digest.hexdigest()[:16]}")
