"""Reduced precision is taken when a trial shows it true and faster, and float32 comes back whole when it does not."""

from __future__ import annotations

import logging
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest

from indexer.encode.protocol import Choice
from indexer.encode.trial_set import trial_pictures
from indexer.errors import ModelUnavailable
from tests.encode.conftest import TinyModel, loaded

if TYPE_CHECKING:
    from indexer.encode.on_torch.network import Network

pytestmark = pytest.mark.xdist_group("torch")


@pytest.fixture
def network(tiny: TinyModel) -> Network:
    return loaded(tiny.settings()).network


@pytest.fixture(autouse=True)
def precision(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, on a processor that has bfloat16, with trials that take no time."""
    from indexer.encode.on_torch import precision

    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: True)
    monkeypatch.setattr(precision, "_TRIAL_S", 0.0)
    return precision


def test_bfloat16_is_taken_where_it_is_true_and_faster(
    network: Network, precision: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "_FASTER", 0.0)
    pictures = trial_pictures(32, 4)
    exact = network.pixels(pictures)
    precision.settle_precision(network, "auto", 32)
    assert str(network.dtype) == "torch.bfloat16"
    reduced = network.pixels(pictures)
    assert reduced.dtype == np.float32
    assert np.allclose(np.linalg.norm(reduced, axis=1), 1, atol=1e-5)
    assert (exact * reduced).sum(axis=1).min() > 0.999


@pytest.mark.parametrize(("knob", "value", "why"), [("_FASTER", 1e9, "no faster"), ("_MEAN_COSINE", 1.1, "too far")])
def test_float32_comes_back_bit_for_bit(
    knob: str,
    value: float,
    why: str,
    network: Network,
    precision: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(precision, knob, value)
    pictures = trial_pictures(32, 4)
    pixels, words = network.pixels(pictures), network.words(["a cat"])
    with caplog.at_level(logging.INFO, "indexer"):
        precision.settle_precision(network, "auto", 32)
    assert why in caplog.text
    assert str(network.dtype) == "torch.float32"
    assert np.array_equal(network.pixels(pictures), pixels)
    assert np.array_equal(network.words(["a cat"]), words)


def test_float32_asked_for_is_float32_without_a_trial(
    network: Network, precision: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "_try", None)
    precision.settle_precision(network, "float32", 32)
    assert str(network.dtype) == "torch.float32"


def test_a_processor_without_bfloat16_is_not_tried(
    network: Network, precision: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: False)
    monkeypatch.setattr(precision, "_try", None)
    precision.settle_precision(network, "auto", 32)
    assert str(network.dtype) == "torch.float32"


def test_bfloat16_asked_for_is_given_with_a_warning_when_it_is_not_true(
    network: Network, precision: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(precision, "_MEAN_COSINE", 1.1)
    precision.settle_precision(network, "bfloat16", 32)
    assert str(network.dtype) == "torch.bfloat16"
    assert "as asked for" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING


def test_what_an_earlier_start_chose_is_taken_without_a_trial(
    tiny: TinyModel, precision: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from indexer.encode.on_torch.runtime import open_network

    monkeypatch.setattr(precision, "_try", None)
    settled = Choice("torch", "cpu", "bfloat16", threads=torch.get_num_threads(), pictures_per_s=7.0)
    network, facts = open_network(tiny.settings(precision="auto"), settled)
    assert str(network.dtype) == "torch.bfloat16"
    assert facts.choice == network.choice == settled


def test_a_device_that_is_not_there_is_named_with_those_that_are(precision: ModuleType) -> None:
    import torch

    assert precision.choose_device("cpu").type == "cpu"
    assert precision.choose_device("auto").type in ("cpu", "cuda", "mps")
    if not torch.cuda.is_available():
        with pytest.raises(ModelUnavailable, match=r"it finds:.*cpu"):
            precision.choose_device("cuda")
