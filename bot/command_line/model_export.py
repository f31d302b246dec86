"""A model's export for OpenVINO, written into a folder that another machine can use without torch and a network."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from indexer.encode.encoder import open_encoder
from indexer.encode.on_openvino.folder import Damaged, Manifest, folder_name, read_manifest, source_of, write_folder
from indexer.errors import ConfigError, ModelUnavailable
from indexer.settings import ModelSettings, Settings


def written_export(settings: Settings, model: ModelSettings, target: Path, tell: Callable[[str], None]) -> Manifest:
    """Exports the model as a start of the bot does (or takes the export that one has made), and copies it.

    Raises ConfigError where `target` is there already or cannot be written, and ModelUnavailable where the model cannot
    be loaded or OpenVINO gives other vectors than torch.
    """
    if target.exists():
        raise ConfigError(f"{target} is there already. Name a folder that is not, or delete this one first.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)  # before the minutes that an export may take
    except OSError as error:
        raise _not_written(target, error) from error
    model = settings.with_exports(replace(model, runtime="openvino", device="cpu", folder=None))
    asyncio.run(_opened(model))
    tell(f"copying to {target}")
    try:
        assert model.export_dir is not None
        return _copied(model.export_dir / folder_name(model, source_of(model)), target)
    except Damaged as error:
        raise ModelUnavailable(f"The export of {model.name} was changed while it was copied: {error}.") from error
    except OSError as error:
        raise _not_written(target, error) from error


async def _opened(model: ModelSettings) -> None:
    """Opening makes the export where there is none, and compares it with torch."""
    async with open_encoder(model) as encoder:
        await encoder.encode_words([""])


def _not_written(target: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{target} cannot be written ({error.filename or target}: {error.strerror or error}).")


def _copied(made: Path, target: Path) -> Manifest:
    manifest = read_manifest(made)

    def fill(folder: Path) -> Manifest:
        for name in manifest.files:
            shutil.copyfile(made / name, folder / name)
        return manifest

    return write_folder(target, fill)
