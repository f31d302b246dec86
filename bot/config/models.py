"""`model.name` may be a name of the catalogue: what it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from indexer.encode.catalogue import CATALOGUE, DEMO
from indexer.errors import ConfigError
from indexer.settings import ModelSettings

# What a name of the catalogue says by itself.
_SAID_BY_NAME = ("pretrained", "config_file", "resize_mode", "folder")


def resolved(model: ModelSettings, origins: Mapping[str, str]) -> ModelSettings:
    """The settings with open_clip's own names in place of one of the catalogue. Raises ConfigError where something that
    such a name says is also said apart."""
    if model.name not in CATALOGUE:
        return model
    for key in _SAID_BY_NAME:
        origin = origins.get(f"model.{key}", "default")
        if origin != "default":
            raise ConfigError(
                f'{origin}: model.{key} is set, but model.name = "{model.name}" is a name of the catalogue, which says'
                f" that by itself (`afterimage model list`); leave model.{key} out, or give open_clip's own name"
            )
    return by_name(model, model.name)


def by_name(model: ModelSettings, name: str) -> ModelSettings:
    """`model` with another one of the catalogue; how it runs stays. Raises ConfigError for the demo model where the
    sandbox is not installed."""
    listed = CATALOGUE[name]
    if name == DEMO:
        return demo(model, demo_folder())
    return replace(
        model, name=listed.architecture, pretrained=listed.tag, config_file=None, resize_mode="auto", folder=None
    )


def demo(model: ModelSettings, folder: Path) -> ModelSettings:
    """`model` with the demo's small model of `folder`."""
    config = folder / f"{CATALOGUE[DEMO].architecture}.json"
    weights = folder / "weights.safetensors"
    # It learnt from whole pictures, squashed; of a file open_clip knows no such thing. The export is shipped beside the
    # weights, so that no torch is needed.
    return replace(
        model,
        name=config.stem,
        pretrained=str(weights),
        config_file=config,
        resize_mode="squash",
        folder=None if model.runtime == "torch" else folder / "export",
    )


def demo_folder() -> Path:
    """Where the demo's model lies. The bot never imports the sandbox, which brings it."""
    spec = find_spec("sandbox")
    if spec is None or spec.origin is None:
        raise ConfigError("The sandbox is not installed here, and with it the demo's model; choose another model.")
    return Path(spec.origin).parent / "model"
