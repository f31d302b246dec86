"""A model on torch: every device that torch knows, and the reference that exports are held against."""

from __future__ import annotations

import torch

from indexer.encode.on_torch.network import Network
from indexer.encode.on_torch.precision import choose_device, settle_precision
from indexer.encode.on_torch.weights import load
from indexer.encode.protocol import Choice, Facts
from indexer.settings import ModelSettings


def open_network(settings: ModelSettings, settled: Choice | None) -> tuple[Network, Facts]:
    """A trial chooses the precision; `settled` is what an earlier start chose. Raises ModelUnavailable."""
    if settings.threads:
        torch.set_num_threads(settings.threads)
    loaded = load(settings, choose_device(settled.device if settled else settings.device))
    network, speed = loaded.network, 0.0
    if settled is None:
        asked = "auto" if settings.precision == "int8" else settings.precision  # int8 is OpenVINO's alone
        speed = settle_precision(network, asked, loaded.pixel_spec.size)
    else:
        network.to(getattr(torch, settled.precision))
        speed = settled.pictures_per_s
    precision = str(network.dtype).removeprefix("torch.")
    threads = torch.get_num_threads() if network.device.type == "cpu" else 0
    choice = Choice("torch", network.device.type, precision, 1, threads, speed)
    network.choice = choice
    return network, Facts(loaded.spec, loaded.pixel_spec, choice)
