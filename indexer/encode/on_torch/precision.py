"""On which device and in which precision a model runs: chosen by capability and by a trial, never by hope."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from indexer.encode.on_torch.network import Network
from indexer.encode.trial_set import TEXTS, trial_pictures
from indexer.errors import ModelUnavailable
from indexer.records.pictures import Pixels, Vectors

log = logging.getLogger(__name__)

_MEAN_COSINE = 0.999  # below this the reduced precision is not the same model any more
_FASTER = 1.1  # a gain of less is within the noise of so short a trial
_TRIAL_S = 0.4  # seconds a precision is timed for
_TRIAL_PICTURES = 8  # at most; a large model on a small machine is tried on fewer
_FEWEST_PICTURES = 2
_TRIAL_TEXTS = TEXTS[:4]
_CPU_FLAGS = ("avx512_bf16", "amx_bf16")


def choose_device(asked: str) -> torch.device:
    """The best device there is, or the one asked for. Raises ModelUnavailable when that one is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if asked == "auto":
        return torch.device(next(name for name, is_there in there.items() if is_there))
    if not there.get(asked, False):
        have = ", ".join(name for name, is_there in there.items() if is_there)
        raise ModelUnavailable(
            f'model.device = "{asked}", but torch finds no such device here (it finds: {have}). '
            'Set model.device = "auto", or install a torch that is built for it.'
        )
    return torch.device(asked)


def cpu_has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself. Where it is emulated a batch takes five times as long."""
    try:
        known = torch.cpu.get_capabilities()
        return any(known.get(flag, False) for flag in _CPU_FLAGS) or bool(known.get("bf16", False))  # bf16: Arm's name
    except (AttributeError, RuntimeError):  # a torch that cannot tell
        cpuinfo = Path("/proc/cpuinfo")
        return cpuinfo.exists() and any(flag in cpuinfo.read_text() for flag in _CPU_FLAGS)


@dataclass(frozen=True, slots=True)
class Trial:
    """What a precision did with the trial pictures."""

    pictures_per_s: float
    vectors: Vectors


def settle_precision(network: Network, asked: str, size: int) -> float:
    """Leave `network` in the precision that serves best, or the one asked for, and say in the log why.

    Returns how many pictures a second it makes so; 0 where no trial was needed.

    Never changes what the model means: a precision whose mean cosine to float32 is under 0.999 is not taken by `auto`.
    """
    candidate = _candidate(network.device.type, asked)
    if candidate is None:
        log.info("precision: float32 on %s", network.device.type)
        return 0.0
    weights = {name: parameter.data for name, parameter in network.model.named_parameters()}
    buffers = {name: buffer.data for name, buffer in network.model.named_buffers()}
    pictures = trial_pictures(size, _affordable(network, size))
    exact = _try(network, pictures)
    network.to(candidate)
    reduced = _try(network, pictures)
    cosines = (exact.vectors * reduced.vectors).sum(axis=1)
    name = str(candidate).removeprefix("torch.")
    figures = (
        f"{name} {reduced.pictures_per_s:.1f} pictures/s, float32 {exact.pictures_per_s:.1f}; "
        f"cosine mean {cosines.mean():.5f}, min {cosines.min():.5f}"
    )
    agrees = bool(cosines.mean() >= _MEAN_COSINE)  # False for NaN too
    faster = reduced.pictures_per_s >= _FASTER * exact.pictures_per_s
    if asked != "auto":
        (log.info if agrees else log.warning)("precision: %s as asked for (%s)", name, figures)
    elif agrees and faster:
        log.info("precision: %s (%s)", name, figures)
    else:
        network.to(torch.float32)
        for key, parameter in network.model.named_parameters():
            parameter.data = weights[key]
        for key, buffer in network.model.named_buffers():
            buffer.data = buffers[key]
        reason = "no faster" if agrees else "too far from float32"
        log.info("precision: float32, because %s is %s (%s)", name, reason, figures)
        return exact.pictures_per_s
    return reduced.pictures_per_s


def _candidate(device: str, asked: str) -> torch.dtype | None:
    """The reduced precision to try; None: float32 without a trial."""
    if asked == "float32":
        return None
    if asked == "bfloat16":
        return torch.bfloat16
    if device == "cuda":
        return torch.float16
    return torch.bfloat16 if device == "cpu" and cpu_has_bfloat16() else None


def _affordable(network: Network, size: int) -> int:
    """How many pictures a batch of the trial has, so that one takes about as long as the trial may."""
    picture = trial_pictures(size, 1)
    network.pixels(picture)  # the first run warms up
    start = time.perf_counter()
    network.pixels(picture)
    return int(min(max(_TRIAL_S / (time.perf_counter() - start), _FEWEST_PICTURES), _TRIAL_PICTURES))


def _try(network: Network, pictures: list[Pixels]) -> Trial:
    vectors = np.concatenate([network.pixels(pictures), network.words(_TRIAL_TEXTS)])  # the first run warms up
    return Trial(len(pictures) / _fastest(lambda: network.pixels(pictures)), vectors)


def _fastest(run: Callable[[], object]) -> float:
    """Seconds of the fastest run of those that fit into the trial's time: what else the machine does only adds."""
    best, end = float("inf"), time.perf_counter() + _TRIAL_S
    while True:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
        if time.perf_counter() >= end:
            return best
