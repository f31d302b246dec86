"""An open_clip model → an export's folder: two networks, the words' rows, a tokenizer, and what to hold them to.

Imports torch: it runs in a process of its own, which ends when the export is made.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import openvino as ov
import torch
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

from indexer.encode.on_openvino.folder import Manifest, described, installed_versions, write_folder
from indexer.encode.on_openvino.runtime import LEAST_COSINE, MEAN_COSINE, ExportedNetwork
from indexer.encode.on_openvino.write_tokenizer import NotExportable, write_tokenizer
from indexer.encode.on_torch.network import Network
from indexer.encode.on_torch.weights import Loaded, load
from indexer.encode.protocol import Choice
from indexer.encode.trial_set import PICTURES, TEXTS, trial_pictures
from indexer.records.pictures import Vectors
from indexer.settings import ModelSettings

log = logging.getLogger(__name__)

# The networks' inputs, by the names that the converter takes from `forward`.
INPUTS: Final = {"vision": ("frames",), "text": ("ids", "rows")}


def export(settings: ModelSettings, source: dict[str, str], folder: Path) -> Manifest:
    """Loads the model that `settings` name and makes `folder`. Takes seconds, and the time of a download.

    Raises ModelUnavailable where there are no weights, NotExportable where OpenVINO or `tokenizers` cannot do what the
    model does, OSError where the folder cannot be written.
    """
    began_s = time.monotonic()
    loaded = load(settings, torch.device("cpu"))
    reference = _reference(loaded)
    # Half of the disk, and the vectors say whether it is enough: trained weights are as exact in float16.
    for weights in ("float16", "float32"):
        try:
            manifest = write_folder(folder, partial(_fill, loaded, source, weights, reference))
        except NotExportable as error:
            if weights == "float32":
                raise
            log.info("not with weights in float16: %s", error)
        else:
            log.info("exported %s to %s in %.0f s", loaded.spec.name, folder, time.monotonic() - began_s)
            return manifest
    raise AssertionError("unreachable")


def _fill(loaded: Loaded, source: dict[str, str], weights: str, reference: Vectors, making: Path) -> Manifest:
    network = loaded.network
    text = replace(write_tokenizer(network.tokenizer, making / "tokenizer.json"), short=_looks_back_only(network.model))
    size = loaded.pixel_spec.size
    words = _words(network.model)
    if words is not None:
        stored = words.weight.numpy().astype(np.float16 if weights == "float16" else np.float32)
        np.save(making / "words.npy", stored)
    frames = torch.from_numpy(np.stack(trial_pictures(size, 2)))
    ids = torch.from_numpy(network.tokenizer(list(TEXTS[:2])).numpy())
    texts = _Texts(network, words, short=text.short)
    try:
        _save(_Pictures(network), (frames,), making / "vision.xml", weights)
        with texts.given_rows(), texts.any_length():
            example = (ids,) if words is None else (ids, words(ids))
            _save(texts, example, making / "text.xml", weights, any_length=text.short)
    except Exception as error:  # the converter's errors share no type
        raise NotExportable(f"OpenVINO cannot convert it ({str(error).strip().splitlines()[0][:200]})") from error
    np.save(making / "reference.npy", reference)
    manifest = Manifest(
        source, installed_versions(), weights, loaded.spec, loaded.pixel_spec, text,
        described(making, sorted(path.name for path in making.iterdir())),
    )  # fmt: skip
    _check(ExportedNetwork(making, manifest, Choice("openvino", "cpu", "float32")), size, reference)
    return manifest


def _check(network: ExportedNetwork, size: int, reference: Vectors) -> None:
    pictures = np.stack(trial_pictures(size, PICTURES))
    parts = [network.pixels(pictures[at : at + 4]) for at in range(0, PICTURES, 4)]
    vectors = np.concatenate([*parts, network.words(TEXTS)])
    cosines = (vectors * reference).sum(axis=1)
    if not (cosines.mean() >= MEAN_COSINE and cosines.min() >= LEAST_COSINE):
        raise NotExportable(
            f"what was exported gives other vectors (cosine to torch float32 mean {cosines.mean():.5f}, min "
            f"{cosines.min():.5f})"
        )


def _reference(loaded: Loaded) -> Vectors:
    pictures = trial_pictures(loaded.pixel_spec.size, PICTURES)
    parts = [loaded.network.pixels(pictures[at : at + 4]) for at in range(0, PICTURES, 4)]
    return np.concatenate([*parts, loaded.network.words(TEXTS)])


class _Pictures(torch.nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.model = network.model
        self.scale = network.scale
        self.shift = network.shift

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        batch = frames.permute(0, 3, 1, 2).float() * self.scale + self.shift
        return _unit(self.model.encode_image(batch, normalize=False))


class _Texts(torch.nn.Module):
    """With `words` the rows of the words come in from outside: the largest matrix of a model of many languages is then
    a file that is mapped, of which a question reads a few rows. `short`: texts may be shorter than the context."""

    def __init__(self, network: Network, words: torch.nn.Embedding | None, *, short: bool) -> None:
        super().__init__()
        self.model = network.model
        self._words = words
        self._short = short

    @contextmanager
    def given_rows(self) -> Iterator[None]:
        """Within the block the model takes the rows that `forward` is given, and looks none up."""
        if self._words is None:
            yield
            return
        owner = _owner(self.model)
        self.given = _Given()
        owner.token_embedding = self.given
        try:
            yield
        finally:
            owner.token_embedding = self._words

    @contextmanager
    def any_length(self) -> Iterator[None]:
        """Within the block the model's positions and its mask are as long as the text that `forward` is given."""
        if not self._short:
            yield
            return
        owner = _owner(self.model)
        positions, mask = owner.positional_embedding, owner.attn_mask
        self.positions, self.mask = positions.detach(), mask
        del owner.positional_embedding, owner.attn_mask
        try:
            yield
        finally:
            del owner.positional_embedding, owner.attn_mask
            owner.positional_embedding = positions
            owner.register_buffer("attn_mask", mask, persistent=False)

    def forward(self, ids: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        if rows is not None:
            self.given.rows = rows
        if self._short:
            owner, length = _owner(self.model), ids.shape[1]
            owner.positional_embedding, owner.attn_mask = self.positions[:length], self.mask[:length, :length]
        return _unit(self.model.encode_text(ids, normalize=False))


class _Given(torch.nn.Module):
    rows: Any = None

    def forward(self, ids: torch.Tensor) -> Any:
        return self.rows


def _owner(model: Any) -> Any:
    return model if hasattr(model, "token_embedding") else getattr(model, "text", None)


def _looks_back_only(model: Any) -> bool:
    """Whether a text's vector is that of its last token, which looks back only: what fills the text up comes after it.

    So are CLIP's own text towers. A SigLIP looks at all tokens. The check of the export holds this to torch.
    """
    owner = _owner(model)
    pool = getattr(model, "text_pool_type", None) or getattr(owner, "pool_type", None)
    alone = getattr(owner, "cls_emb", None) is None and not getattr(owner, "use_pad_mask", False)
    return getattr(owner, "attn_mask", None) is not None and alone and pool in ("argmax", "eos")


def _words(model: Any) -> torch.nn.Embedding | None:
    """The rows of the words, where the model keeps them as open_clip's own text towers do."""
    words = getattr(_owner(model), "token_embedding", None)
    return words if isinstance(words, torch.nn.Embedding) else None


def _unit(features: torch.Tensor) -> torch.Tensor:
    features = features.float()
    unit: torch.Tensor = features / features.norm(dim=-1, keepdim=True)  # a zero becomes NaN, which is refused
    return unit


def _save(
    module: torch.nn.Module, example: tuple[torch.Tensor, ...], path: Path, weights: str, *, any_length: bool = False
) -> None:
    module.eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces the end of tracing, which the decoder does
        # By itself the converter lets torch trace it twice and compare three runs. `_check` compares vectors.
        traced = TorchScriptPythonDecoder(module, example_input=example, trace_kwargs={"check_trace": False})
        converted = ov.convert_model(traced, example_input=example)
    # The converter leaves out an input that the network does not look at: a SigLIP needs no ids beside the rows.
    shapes = {}
    for name, tensor in zip(INPUTS[path.stem], example, strict=False):
        for port in converted.inputs:
            if name in port.get_names():
                port.get_tensor().set_names({name})
                inner = [-1, *tensor.shape[2:]] if any_length else tensor.shape[1:]
                shapes[port] = ov.PartialShape([-1, *inner])
    converted.reshape(shapes)
    ov.save_model(converted, path, compress_to_fp16=weights == "float16")
