"""The demo model as a start of the bot leaves it in a data folder: exported, so that nothing imports torch again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from bot.config.models import by_name
from indexer.encode.catalogue import DEMO
from indexer.encode.on_openvino.folder import folder_name, installed_versions, source_of
from indexer.settings import ModelSettings
from sandbox.model import EXPORT


def exported_before(data_dir: Path) -> None:
    """Puts the shipped export there, said to be made with the versions that are installed."""
    demo = by_name(ModelSettings(), DEMO)
    folder = data_dir / "models" / folder_name(demo, source_of(demo))
    shutil.copytree(EXPORT, folder)
    told = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(told | {"versions": installed_versions()}))
