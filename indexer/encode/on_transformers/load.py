"""Settings → a matcher or a captioner with its facts, or ModelUnavailable with the ways out."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import torch
import transformers

from indexer.encode.on_openvino.folder import CHECKPOINTS
from indexer.encode.on_openvino.records import records_folder, sha256_once
from indexer.encode.on_torch.hub import bounded_network
from indexer.encode.on_torch.precision import choose_device, cpu_has_bfloat16
from indexer.encode.on_transformers.captioner import BlipCaptioner
from indexer.encode.on_transformers.matchers import Blip, Blip2, Matcher
from indexer.encode.protocol import Choice, Facts
from indexer.errors import ModelUnavailable
from indexer.records.pictures import ModelSpec, PixelSpec, ResizeMode
from indexer.settings import ModelSettings

log = logging.getLogger(__name__)

# `model_type` of a configuration → what we make of the model, and the class of transformers that has the weights.
MATCHERS: Final[dict[str, tuple[type[Matcher], str]]] = {
    "blip": (Blip, "BlipForImageTextRetrieval"),
    "blip-2": (Blip2, "Blip2ForImageTextRetrieval"),
}
CAPTIONERS: Final = {"blip": (BlipCaptioner, "BlipForConditionalGeneration")}
WAYS_OUT = (
    "Ways out: let this machine reach the network once; or put config.json, the weights and the tokenizer's files into "
    "one folder and set {setting} to it; or point model.cache_dir (or HF_HOME) at a folder that already holds them."
)


@dataclass(frozen=True, slots=True)
class _Task:
    """`setting` names the model in the configuration, `done` what it is for."""

    setting: str
    done: str
    example: str


_MATCHING = _Task("rerank.name", "image-text matching", "Salesforce/blip-itm-base-coco")
_CAPTIONING = _Task("captions.name", "captions", "Salesforce/blip-image-captioning-base")
Made = TypeVar("Made", Matcher, BlipCaptioner)


def load_matcher(settings: ModelSettings, settled: Choice | None) -> tuple[Matcher, Facts]:
    """`settings.name` is a folder or a repository of the hub. Raises ModelUnavailable.

    Nothing of a repository is run: only its configuration, weights and tokenizer are read.
    """
    matcher, facts = _load(settings, settled, MATCHERS, _MATCHING)
    size = facts.pixel_spec.size
    rows = matcher.pixels([np.zeros((size, size, 3), np.uint8)])
    return matcher, replace(facts, spec=replace(facts.spec, dimension=int(rows.shape[1])))


def load_captioner(settings: ModelSettings, settled: Choice | None) -> tuple[BlipCaptioner, Facts]:
    """As `load_matcher`. The spec's dimension is 0: it makes no vectors."""
    return _load(settings, settled, CAPTIONERS, _CAPTIONING)


def _load(
    settings: ModelSettings, settled: Choice | None, kinds: Mapping[str, tuple[type[Made], str]], task: _Task
) -> tuple[Made, Facts]:
    if settings.threads:
        torch.set_num_threads(settings.threads)
    device = choose_device(settled.device if settled else settings.device)
    folder = Path(settings.name).expanduser()
    source = str(folder) if folder.is_dir() else settings.name
    cache_dir = str(settings.cache_dir) if settings.cache_dir else None
    with bounded_network(needed=not folder.is_dir()) as unreachable:
        try:
            config = transformers.AutoConfig.from_pretrained(source, cache_dir=cache_dir)
            kind, model = _model(config, source, cache_dir, kinds, task)
            tokenizer = transformers.AutoTokenizer.from_pretrained(source, cache_dir=cache_dir)
        except ModelUnavailable:
            raise
        except Exception as error:  # transformers, torch, safetensors and the hub share no error type
            raise _explained(error, settings.name, unreachable, task) from error
    made = kind(model.eval().requires_grad_(requires_grad=False).to(device), tokenizer, device)
    made.to(_dtype(settings.precision if settled is None else settled.precision, device))
    made.choice = Choice(
        "torch",
        device.type,
        str(made.dtype).removeprefix("torch."),
        threads=torch.get_num_threads() if device.type == "cpu" else 0,
    )
    identity = _identity(settings, folder, config)
    name = folder.name if folder.is_dir() else settings.name
    # All were trained on pictures that were squashed into their square.
    pixel_spec = PixelSpec(int(config.vision_config.image_size), ResizeMode.SQUASH)
    return made, Facts(ModelSpec(name, identity[:12], 0, identity[:32]), pixel_spec, made.choice)


def _model(
    config: Any, source: str, cache_dir: str | None, kinds: Mapping[str, tuple[type[Made], str]], task: _Task
) -> tuple[type[Made], Any]:
    found = kinds.get(str(config.model_type))
    if found is None:
        raise ModelUnavailable(
            f'{task.setting}: {source} is a model of type "{config.model_type}"; {task.done}: '
            f"{' and '.join(kinds)} can do it."
        )
    kind, name = found
    model, report = getattr(transformers, name).from_pretrained(
        source, config=config, cache_dir=cache_dir, dtype=torch.float32, output_loading_info=True
    )
    missing = sorted(report["missing_keys"])
    if missing:  # never random weights in silence
        raise ModelUnavailable(
            f"{task.setting}: {source} has no weights for {task.done} ({len(missing)} are missing, as "
            f"{missing[0]}). Choose one that was trained for it, as {task.example}."
        )
    return kind, model


def _dtype(asked: str, device: torch.device) -> torch.dtype:
    if asked in ("float32", "bfloat16", "float16"):
        return torch.float32 if asked == "float32" else torch.bfloat16 if asked == "bfloat16" else torch.float16
    if device.type == "cuda":
        return torch.float16
    return torch.bfloat16 if device.type == "cpu" and cpu_has_bfloat16() else torch.float32


def _identity(settings: ModelSettings, folder: Path, config: Any) -> str:
    """64 hex digits that tell these weights from others: files by their content, what the hub holds by its commit."""
    said = f"{settings.name} {getattr(config, '_commit_hash', None)}"
    if folder.is_dir():
        records = records_folder(settings)
        files = [path for path in sorted(folder.iterdir()) if path.suffix in (*CHECKPOINTS, ".json", ".txt")]
        said = " ".join(sha256_once(path, records) for path in files)
    return hashlib.sha256(said.encode()).hexdigest()


def _explained(error: Exception, name: str, unreachable: str, task: _Task) -> ModelUnavailable:
    first = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
    why = f"the hub cannot be reached ({unreachable}), and they are not on this machine" if unreachable else first
    ways_out = WAYS_OUT.format(setting=task.setting)
    return ModelUnavailable(f"{task.setting}: the weights of {name} could not be loaded: {why}. {ways_out}")
