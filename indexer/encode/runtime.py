"""Which runtime a model gets here: OpenVINO on the processor, torch on a GPU or where no export can be made."""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path
from typing import Any

from indexer.encode.on_openvino.export_process import Refused, devices_of_torch, exported
from indexer.encode.on_torch.openmp import spin_briefly
from indexer.encode.protocol import Choice, Facts
from indexer.errors import ModelUnavailable
from indexer.settings import ModelSettings

log = logging.getLogger(__name__)

# What a GPU's driver leaves in the file system: to look there costs nothing, to ask torch costs its import.
_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd", "C:/Windows/System32/nvcuda.dll")


def load_model(settings: ModelSettings, settled: Choice | None) -> tuple[Any, Facts]:
    """The model and its facts. A trial chooses how it runs; `settled` is what an earlier start chose.

    Raises ModelUnavailable. torch is imported only where it is what runs the model.
    """
    if (settled.runtime if settled else _runtime(settings)) == "openvino":
        try:
            return _on_openvino(settings, settled)
        except Refused as error:
            if settings.runtime == "openvino" or settings.folder is not None:
                raise ModelUnavailable(
                    f'OpenVINO cannot run {_named(settings)}: {error}. Ways out: model.runtime = "torch", and no '
                    "model.folder; or make the export anew."
                ) from error
            log.warning("OpenVINO cannot run %s (%s): torch does", _named(settings), error)
            settled = None
    if not installed("torch") or not installed("open_clip"):
        raise ModelUnavailable(
            f"{_named(settings)} needs torch and open_clip here, and they are not installed. Ways out: install "
            "them; or set model.folder to the folder of an exported model."
        )
    spin_briefly()
    from indexer.encode.on_torch.runtime import open_network

    return open_network(settings, settled)


def _on_openvino(settings: ModelSettings, settled: Choice | None) -> tuple[Any, Facts]:
    folder = settings.folder.expanduser() if settings.folder else exported(settings)
    from indexer.encode.on_openvino.runtime import open_export

    return open_export(folder, settings, settled)


def _runtime(settings: ModelSettings) -> str:
    if settings.runtime == "torch":
        return "torch"
    if settings.device in ("cuda", "mps"):
        if settings.runtime == "openvino":
            raise ModelUnavailable(
                f'model.runtime = "openvino" runs on the processor, but model.device = "{settings.device}". '
                "Leave one of them at auto."
            )
        return "torch"
    if settings.runtime == "openvino" or settings.folder is not None:
        return "openvino"
    if settings.export_dir is None or not installed("openvino"):
        return "torch"
    if settings.device == "auto" and _driver() and devices_of_torch() - {"cpu"}:
        return "torch"
    return "openvino"


def installed(package: str) -> bool:
    """Whether it could be imported; it is not."""
    return importlib.util.find_spec(package) is not None


def _driver() -> bool:
    """Whether there may be a GPU that torch can use."""
    apple = sys.platform == "darwin"
    return installed("torch") and (apple or any(Path(driver).exists() for driver in _DRIVERS))


def _named(settings: ModelSettings) -> str:
    return str(settings.folder) if settings.folder else settings.name
