"""Where open_clip has its weights and tokenizers from, read without importing it.

With the package comes torch. Its table of weights and its code that downloads them stand
in one file that needs neither.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from indexer.errors import ModelUnavailable

_PACKAGE = "open_clip_without_torch"  # not open_clip's own name: who imports that gets all of it


def pretrained() -> ModuleType:
    """The module `open_clip.pretrained`. It imports safetensors for torch, unless `torch` cannot be imported.

    Raises ModelUnavailable.
    """
    if _PACKAGE not in sys.modules:
        package = ModuleType(_PACKAGE)
        package.__path__ = [str(_folder())]
        sys.modules[_PACKAGE] = package
    module = import_module(f"{_PACKAGE}.pretrained")
    vars(module)["_has_safetensors"] = True  # so that it takes the files that open_clip will load
    return module


def architecture(name: str) -> dict[str, Any]:
    """open_clip's description of an architecture; {} where it has none of this name. Raises ModelUnavailable."""
    file = _folder() / "model_configs" / f"{name}.json"
    described: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return described


def _folder() -> Path:
    spec = find_spec("open_clip")
    if spec is None or spec.origin is None:
        raise ModelUnavailable("open_clip knows where weights are, and is not installed: pip install open_clip_torch")
    return Path(spec.origin).parent
