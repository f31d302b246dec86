"""Which weights a model has, where they come from, and that they fit: settings → network, or ModelUnavailable."""

from __future__ import annotations

import difflib
import hashlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch

from indexer.encode.on_openvino.folder import CHECKPOINTS
from indexer.encode.on_openvino.records import records_folder, sha256_once
from indexer.encode.on_torch.hub import bounded_network, one_voice
from indexer.encode.on_torch.load_errors import SCHEMES, WAYS_OUT, explained, no_tokenizer
from indexer.encode.on_torch.network import Network
from indexer.errors import ModelUnavailable
from indexer.records.pictures import ModelSpec, PixelSpec, ResizeMode
from indexer.settings import ModelSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    network: Network
    spec: ModelSpec
    pixel_spec: PixelSpec


def load(settings: ModelSettings, device: torch.device) -> Loaded:
    """Load in float32. Blocking: seconds from disk, minutes from the hub. Raises ModelUnavailable with the ways out."""
    name = settings.name
    if settings.config_file is not None:
        _add_config(settings.config_file, name)
    checkpoint = _local_checkpoint(settings)
    if checkpoint is None and settings.local_folder is None:
        _check_tag(settings)
    cache_dir = str(settings.cache_dir) if settings.cache_dir else None
    from_files = checkpoint is not None or settings.local_folder is not None
    with bounded_network(needed=not from_files or _tokenizer_on_hub(name)) as unreachable, one_voice():
        try:
            model = open_clip.create_model(
                name,
                pretrained=str(checkpoint) if checkpoint else (settings.pretrained or None),
                cache_dir=cache_dir,
                require_pretrained=True,  # never random weights in silence
                force_preprocess_cfg=_preprocessing(settings, checkpoint),
                # open_clip only warns where a tag's weights were trained with another activation than its config has
                force_quick_gelu=checkpoint is None
                and bool(open_clip.get_pretrained_cfg(name, settings.pretrained).get("quick_gelu")),
                device=device,
            )
            config = open_clip.get_model_config(name)
        except Exception as error:  # open_clip, torch, safetensors and the hub share no error type; all mean one thing
            raise explained(error, settings, checkpoint, unreachable) from error
        try:
            tokenizer = open_clip.get_tokenizer(name, cache_dir=cache_dir)
        except Exception as error:  # likewise, and transformers' own
            raise no_tokenizer(error, name, unreachable) from error
    model.eval()
    model.requires_grad_(requires_grad=False)
    preprocess = dict(model.visual.preprocess_cfg)
    network = Network(model, tokenizer, device, preprocess["mean"], preprocess["std"])
    identity = _identity(settings, checkpoint)
    spec = ModelSpec(
        # Of files the content counts, not where they lie: moving or renaming them re-embeds nothing.
        name=Path(name).name if settings.local_folder else name,
        pretrained=f"sha256:{identity[:12]}" if from_files else settings.pretrained,
        dimension=int(network.words(["a"]).shape[1]),
        fingerprint=_fingerprint([config, preprocess, identity]),
    )
    return Loaded(network, spec, _pixel_spec(preprocess, name))


def _add_config(config_file: Path, name: str) -> None:
    try:
        config = json.loads(config_file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelUnavailable(f"model.config_file: {config_file} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise ModelUnavailable(f"model.config_file: {config_file} is not JSON ({error}).") from error
    missing = {"embed_dim", "vision_cfg", "text_cfg"} - set(config if isinstance(config, dict) else ())
    if missing:
        raise ModelUnavailable(f"model.config_file: {config_file} lacks {', '.join(sorted(missing))}.")
    if config_file.stem != name:
        raise ModelUnavailable(f'model.config_file describes "{config_file.stem}", but model.name = "{name}".')
    open_clip.add_model_config(config_file)


def _local_checkpoint(settings: ModelSettings) -> Path | None:
    """The checkpoint file that `pretrained` names; None where it names a tag. Raises when the file is not there."""
    path = Path(settings.pretrained).expanduser()
    if settings.name.startswith(SCHEMES):
        return None
    if settings.pretrained and path.is_file():
        return path
    if path.suffix in CHECKPOINTS or os.sep in settings.pretrained:
        raise ModelUnavailable(f"model.pretrained: there is no file {path.absolute()}. {WAYS_OUT}")
    return None


def _check_tag(settings: ModelSettings) -> None:
    """Names before downloads: a wrong one is told with the right ones."""
    if settings.name.startswith(SCHEMES):
        return
    if settings.name not in open_clip.list_models():
        near = difflib.get_close_matches(settings.name, open_clip.list_models(), n=3, cutoff=0.5)
        raise ModelUnavailable(
            f'model.name: open_clip knows no architecture "{settings.name}".'
            + (f" Did you mean {' or '.join(near)}?" if near else "")
        )
    if not open_clip.is_pretrained_cfg(settings.name, settings.pretrained):
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(settings.name)) or "none"
        raise ModelUnavailable(
            f'model.pretrained: "{settings.pretrained}" is neither a file nor weights that open_clip knows for '
            f"{settings.name}. It knows: {tags}."
        )


def _preprocessing(settings: ModelSettings, checkpoint: Path | None) -> dict[str, Any]:
    """What open_clip's own choice of mean, standard deviation and resize mode is to be overruled with.

    It knows them of tags only: of a file it supposes OpenAI's. The same SigLIP weights, given as a file, would silently
    see other colours and a crop. So a file gets what all tags of its architecture agree on.
    """
    chosen: dict[str, Any] = {}
    if checkpoint is not None:
        tags = open_clip.list_pretrained_tags_by_model(settings.name)
        known = [open_clip.get_pretrained_cfg(settings.name, tag) for tag in tags]
        for key in ("mean", "std", "interpolation", "resize_mode"):
            values = [config.get(key) for config in known]
            if values and all(value == values[0] for value in values):
                chosen[key] = values[0]
            elif values:
                log.warning(
                    "weights of %s differ in %s, and %s does not say its own: open_clip's default is taken. "
                    'A folder with an open_clip_config.json (model.name = "local-dir:…") says it exactly.',
                    settings.name, key, checkpoint,
                )  # fmt: skip
    if settings.resize_mode != "auto":
        chosen["resize_mode"] = settings.resize_mode
    return chosen


def _tokenizer_on_hub(name: str) -> bool:
    """Whether an architecture's tokenizer comes from the hub, also where its weights are a file: SigLIP's does."""
    config = {} if name.startswith(SCHEMES) else open_clip.get_model_config(name)
    return bool((config or {}).get("text_cfg", {}).get("hf_tokenizer_name"))


def _pixel_spec(preprocess: dict[str, Any], name: str) -> PixelSpec:
    size = preprocess["size"]
    if not isinstance(size, int):
        if len(set(size)) != 1:
            raise ModelUnavailable(f"{name} takes pictures of {size[0]} × {size[1]}; only square inputs are supported.")
        size = int(size[0])
    return PixelSpec(
        size=size,
        resize_mode=ResizeMode(preprocess.get("resize_mode") or "shortest"),
        interpolation="bilinear" if preprocess.get("interpolation") == "bilinear" else "bicubic",
        fill=int(preprocess.get("fill_color") or 0),
    )


def _identity(settings: ModelSettings, checkpoint: Path | None) -> str:
    """What tells these weights from others: files by their content, what the hub holds by its name."""
    records = records_folder(settings)
    if checkpoint is not None:
        return sha256_once(checkpoint, records)
    if (folder := settings.local_folder) is not None:
        sums = [sha256_once(path, records) for path in sorted(folder.iterdir()) if path.suffix in CHECKPOINTS]
        return hashlib.sha256("".join(sums).encode()).hexdigest()
    if settings.name.startswith("hf-hub:"):
        return settings.name
    source = open_clip.get_pretrained_cfg(settings.name, settings.pretrained)
    return str(source.get("hf_hub") or source.get("url") or settings.pretrained)


def _fingerprint(known: list[Any]) -> str:
    """Of what an embedding depends on: architecture, preprocessing, weights. Not the precision, nor the device."""
    return hashlib.sha256(json.dumps(known, sort_keys=True, default=list).encode()).hexdigest()[:32]
