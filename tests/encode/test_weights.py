"""A model that cannot be had: one message that says which, from where, and the ways out."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from indexer.errors import ModelUnavailable
from indexer.records.pictures import ResizeMode
from indexer.settings import ModelSettings
from tests.encode.conftest import CONFIG, TinyModel, loaded

pytestmark = pytest.mark.xdist_group("torch")


def message_of(settings: ModelSettings) -> str:
    with pytest.raises(ModelUnavailable) as caught:
        loaded(settings)
    text = str(caught.value)
    assert "\n" not in text
    assert "Traceback" not in text
    return text


@pytest.fixture
def closed_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub whose port nobody listens on, and no proxy on the way."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.mark.usefixtures("closed_hub")
@pytest.mark.parametrize(
    ("name", "pretrained"),
    [("ViT-B-32", "laion2b_s34b_b79k"), ("ViT-B-32-SigLIP2-256", "webli"), ("hf-hub:someone/model", "")],
)
def test_a_hub_out_of_reach_is_one_message_with_the_ways_out(name: str, pretrained: str, tmp_path: Path) -> None:
    told = message_of(ModelSettings(name=name, pretrained=pretrained, cache_dir=tmp_path, device="cpu"))
    assert name in told
    assert pretrained in told
    assert "http://127.0.0.1:9 cannot be reached (Connection refused)" in told
    for way_out in ("network", "model.pretrained", "model.cache_dir", "demo"):
        assert way_out in told
    assert constants.HF_HUB_OFFLINE is False  # as it was before


def test_offline_mode_is_respected_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    told = message_of(ModelSettings(name="ViT-B-32", pretrained="openai", cache_dir=tmp_path, device="cpu"))
    assert "HF_HUB_OFFLINE is set" in told
    assert constants.HF_HUB_OFFLINE is True


def test_an_unknown_architecture_is_told_with_its_neighbours() -> None:
    assert "ViT-B-32" in message_of(ModelSettings(name="ViT-B-3", pretrained="openai"))


def test_an_unknown_tag_is_told_with_the_known_ones() -> None:
    assert "laion2b_s34b_b79k" in message_of(ModelSettings(name="ViT-B-32", pretrained="laion"))
    assert "neither a file nor weights" in message_of(ModelSettings(name="ViT-B-32", pretrained=""))


def test_a_checkpoint_that_is_not_there_is_named(tiny: TinyModel, tmp_path: Path) -> None:
    missing = tmp_path / "missing.safetensors"
    assert f"there is no file {missing}" in message_of(tiny.settings(pretrained=str(missing)))


@pytest.mark.parametrize(
    ("tower", "change"),
    [
        ("vision_cfg", {"width": 48}),
        ("vision_cfg", {"layers": 3}),
        ("vision_cfg", {"layers": 1}),
        ("text_cfg", {"width": 16}),
    ],
)
def test_a_checkpoint_of_another_architecture_does_not_fit(
    tower: str, change: dict[str, int], tiny: TinyModel, tmp_path: Path
) -> None:
    config = tmp_path / "tiny-other.json"
    config.write_text(json.dumps({**CONFIG, tower: {**CONFIG[tower], **change}}))
    told = message_of(tiny.settings(name="tiny-other", config_file=config))
    assert f"The checkpoint {tiny.checkpoint} does not fit the architecture tiny-other" in told


@pytest.mark.parametrize("bytes_kept", [0, 5, 2000, 200_000])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_checkpoint_that_breaks_off_is_damaged(bytes_kept: int, suffix: str, tiny: TinyModel, tmp_path: Path) -> None:
    whole = tiny.checkpoint
    if suffix == ".pt":
        import torch
        from safetensors.torch import load_file

        whole = tmp_path / "whole.pt"
        torch.save(load_file(tiny.checkpoint), whole)
    broken = tmp_path / f"broken{suffix}"
    broken.write_bytes(whole.read_bytes()[:bytes_kept])
    assert "damaged or incomplete" in message_of(tiny.settings(pretrained=str(broken)))


def test_a_torch_checkpoint_loads_like_a_safetensors_one(tiny: TinyModel, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    torch.save({"state_dict": load_file(tiny.checkpoint)}, tmp_path / "same.pt")
    model = loaded(tiny.settings())
    other = loaded(tiny.settings(pretrained=str(tmp_path / "same.pt")))
    assert (model.network.words(["a cat"]) == other.network.words(["a cat"])).all()
    assert model.spec.dimension == 24
    assert model.spec.pretrained.startswith("sha256:")


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "not JSON"), ("[]", "lacks"), ('{"embed_dim": 5}', "lacks text_cfg, vision_cfg"), (None, "cannot be read")],
)
def test_a_config_file_that_is_no_config_is_named(text: str | None, told: str, tiny: TinyModel, tmp_path: Path) -> None:
    config = tmp_path / "tiny-encode.json"
    if text is not None:
        config.write_text(text)
    message = message_of(tiny.settings(config_file=config))
    assert told in message
    assert str(config) in message


def test_a_config_file_must_be_the_named_models(tiny: TinyModel, tmp_path: Path) -> None:
    renamed = tmp_path / "other.json"
    shutil.copy(tiny.config_file, renamed)
    assert 'describes "other"' in message_of(tiny.settings(config_file=renamed))


@pytest.fixture
def borrows_a_tokenizer(tiny: TinyModel, tmp_path: Path) -> ModelSettings:
    """Weights in a file, tokenizer on the hub: what a SigLIP checkpoint is."""
    config = {**CONFIG, "text_cfg": {**CONFIG["text_cfg"], "hf_tokenizer_name": "someone/tokenizer"}}
    file = tmp_path / "tiny-borrows.json"
    file.write_text(json.dumps(config))
    return tiny.settings(name="tiny-borrows", config_file=file, cache_dir=tmp_path)


@pytest.mark.usefixtures("closed_hub")
def test_a_tokenizer_out_of_reach_is_told_apart_from_the_weights(borrows_a_tokenizer: ModelSettings) -> None:
    told = message_of(borrows_a_tokenizer)
    assert "The tokenizer of tiny-borrows is not on this machine" in told
    assert "cannot be reached (Connection refused)" in told
    assert "local-dir:" in told


@pytest.mark.usefixtures("closed_hub")
def test_a_missing_package_is_named(borrows_a_tokenizer: ModelSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert "needs the Python package transformers" in message_of(borrows_a_tokenizer)


def test_weights_given_as_a_file_see_what_the_same_weights_see_as_a_tag() -> None:
    from indexer.encode.on_torch import weights

    siglip = ModelSettings(name="ViT-B-32-SigLIP2-256", pretrained="webli.safetensors")
    seen = weights._preprocessing(siglip, Path("webli.safetensors"))
    assert (seen["mean"], seen["std"], seen["resize_mode"]) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "squash")
    assert weights._preprocessing(siglip, None) == {}  # open_clip knows it of the tag


def test_a_file_whose_architecture_was_trained_in_several_ways_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    from indexer.encode.on_torch import weights

    seen = weights._preprocessing(ModelSettings(name="ViT-L-14", pretrained="mine.pt"), Path("mine.pt"))
    assert seen["resize_mode"] == "shortest"
    assert "mean" not in seen
    assert "differ in mean" in caplog.text


def test_moving_and_renaming_a_checkpoint_changes_nothing(tiny: TinyModel, tmp_path: Path) -> None:
    shutil.copy(tiny.checkpoint, tmp_path / "renamed.safetensors")
    assert loaded(tiny.settings(pretrained=str(tmp_path / "renamed.safetensors"))).spec == loaded(tiny.settings()).spec


def test_the_resize_mode_can_be_told(tiny: TinyModel) -> None:
    plain, squashing = loaded(tiny.settings()), loaded(tiny.settings(resize_mode="squash"))
    assert plain.pixel_spec.resize_mode is ResizeMode.SHORTEST
    assert squashing.pixel_spec.resize_mode is ResizeMode.SQUASH
    assert plain.spec.fingerprint != squashing.spec.fingerprint
