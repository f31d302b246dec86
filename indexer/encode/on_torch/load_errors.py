"""What went wrong with a model, in one message that says what, from where, and the ways out."""

from __future__ import annotations

import pickle  # only for the name of its error
from pathlib import Path

from huggingface_hub import constants
from safetensors import SafetensorError

from indexer.errors import ModelUnavailable
from indexer.settings import ModelSettings

SCHEMES = ("hf-hub:", "local-dir:")  # open_clip's prefixes of names that bring their own weights
WAYS_OUT = (
    "Ways out: let this machine reach the network once; or copy the checkpoint here and set model.pretrained to its "
    "path; or point model.cache_dir (or HF_HOME) at a folder that already holds it; or try the small model of the demo "
    "(`afterimage sandbox`), which needs no download."
)


def explained(error: Exception, settings: ModelSettings, checkpoint: Path | None, unreachable: str) -> ModelUnavailable:
    """Why the weights could not be had, in one message."""
    first = _first_line(error)
    if checkpoint is not None:
        if _is_damage(error):
            return ModelUnavailable(
                f"The checkpoint {checkpoint} cannot be read: damaged or incomplete ({first}). Copy it here again."
            )
        return ModelUnavailable(
            f"The checkpoint {checkpoint} does not fit the architecture {settings.name}: {_mismatch(str(error))}. "
            "Set model.name to the architecture it was made for, or model.pretrained to a checkpoint of this one."
        )
    what = f"The weights {settings.pretrained!r} of {settings.name}"
    if settings.name.startswith(SCHEMES):
        what = f"The weights of {settings.name}"
    if unreachable:
        return ModelUnavailable(
            f"{what} are not on this machine, and {constants.ENDPOINT} cannot be reached ({unreachable}). {WAYS_OUT}"
        )
    return ModelUnavailable(f"{what} could not be loaded ({first}). {WAYS_OUT}")


def no_tokenizer(error: Exception, name: str, unreachable: str) -> ModelUnavailable:
    """Why the tokenizer could not be had, in one message."""
    if isinstance(error, ModuleNotFoundError):
        return ModelUnavailable(f"{name} needs the Python package {error.name}: install it beside Afterimage.")
    why = f"the hub cannot be reached ({unreachable})" if unreachable else _first_line(error)
    return ModelUnavailable(
        f"The tokenizer of {name} is not on this machine: {why}. Ways out: let this machine reach the network once; or "
        "point model.cache_dir (or HF_HOME) at a folder that already holds it; or put weights, open_clip_config.json "
        'and the tokenizer\'s files into one folder and set model.name = "local-dir:FOLDER".'
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def _is_damage(error: Exception) -> bool:
    """Whether a checkpoint could not even be read, as opposed to not fitting."""
    damage = (SafetensorError, pickle.UnpicklingError, EOFError, OSError, StopIteration)
    return isinstance(error, damage) or any(word in str(error) for word in ("PytorchStreamReader", "zip archive"))


def _mismatch(text: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    telling = [line for line in lines if "size mismatch" in line] or [line for line in lines if " key" in line] or lines
    return telling[0][:200].rstrip(".:")
