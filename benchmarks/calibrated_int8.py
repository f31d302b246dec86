"""An exported model in int8, as a bot makes it once it has collected enough pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from indexer.encode.on_openvino.export_process import quantized
from indexer.encode.on_openvino.folder import read_manifest
from indexer.encode.on_openvino.int8 import SAMPLE, int8_folder
from indexer.encode.trial_set import trial_pictures


def calibrate(exports: Path) -> str:
    """Calibrates the one export of a folder on as many drawn frames as a bot collects.

    "" where int8 has passed on those held out; else why it is not used.
    """
    (folder,) = [path.parent for path in exports.glob("*/manifest.json")]
    frames = np.stack(trial_pictures(read_manifest(folder).pixel_spec.size, SAMPLE))
    return quantized(folder, frames, int8_folder(folder, exports))
