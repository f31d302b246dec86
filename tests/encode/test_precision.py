"""Reduced precision is taken when a trial shows it true and faster, and float32 comes back whole when it does not."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from indexer.encode.on_torch import precision
from indexer.encode.on_torch.precision import choose_device, settle_precision
from indexer.encode.on_torch.weights import Loaded, load
from indexer.encode.trial_set import trial_pictures
from indexer.errors import ModelUnavailable
from tests.encode.conftest import TinyModel


@pytest.fixture
def loaded(tiny: TinyModel) -> Loaded:
    return load(tiny.settings(), torch.device("cpu"))


@pytest.fixture(autouse=True)
def bfloat16_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: True)
    monkeypatch.setattr(precision, "_TRIAL_S", 0.0)


def test_bfloat16_is_taken_where_it_is_true_and_faster(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_FASTER", 0.0)
    pictures = trial_pictures(32, 4)
    exact = loaded.network.pixels(pictures)
    settle_precision(loaded.network, "auto", 32)
    assert loaded.network.dtype is torch.bfloat16
    reduced = loaded.network.pixels(pictures)
    assert reduced.dtype == np.float32
    assert np.allclose(np.linalg.norm(reduced, axis=1), 1, atol=1e-5)
    assert (exact * reduced).sum(axis=1).min() > 0.999


@pytest.mark.parametrize(("knob", "value", "why"), [("_FASTER", 1e9, "no faster"), ("_MEAN_COSINE", 1.1, "too far")])
def test_float32_comes_back_bit_for_bit(
    knob: str, value: float, why: str, loaded: Loaded, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(precision, knob, value)
    pictures = trial_pictures(32, 4)
    pixels, words = loaded.network.pixels(pictures), loaded.network.words(["a cat"])
    with caplog.at_level(logging.INFO, "indexer"):
        settle_precision(loaded.network, "auto", 32)
    assert why in caplog.text
    assert loaded.network.dtype is torch.float32
    assert np.array_equal(loaded.network.pixels(pictures), pixels)
    assert np.array_equal(loaded.network.words(["a cat"]), words)


def test_float32_asked_for_is_float32_without_a_trial(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_try", None)
    settle_precision(loaded.network, "float32", 32)
    assert loaded.network.dtype is torch.float32


def test_a_processor_without_bfloat16_is_not_tried(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "cpu_has_bfloat16", lambda: False)
    monkeypatch.setattr(precision, "_try", None)
    settle_precision(loaded.network, "auto", 32)
    assert loaded.network.dtype is torch.float32


def test_bfloat16_asked_for_is_given_with_a_warning_when_it_is_not_true(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(precision, "_MEAN_COSINE", 1.1)
    settle_precision(loaded.network, "bfloat16", 32)
    assert loaded.network.dtype is torch.bfloat16
    assert "as asked for" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING


def test_a_device_that_is_not_there_is_named_with_those_that_are() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    if not torch.cuda.is_available():
        with pytest.raises(ModelUnavailable, match=r"it finds:.*cpu"):
            choose_device("cuda")
