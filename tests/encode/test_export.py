"""An export: made once, checked before it is used, refused and made anew when anything of it is not as it was."""

from __future__ import annotations

import importlib
import json
import logging
import shutil
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.encode.encoder import open_encoder
from indexer.encode.on_openvino import export_process, runtime
from indexer.encode.on_openvino import folder as export_folder
from indexer.encode.on_openvino.export_process import Refused, exported, why_unusable
from indexer.encode.on_openvino.folder import (
    Damaged,
    alone_in,
    folder_name,
    read_manifest,
    source_of,
    verify,
    write_folder,
)
from indexer.encode.on_openvino.records import sha256_of
from indexer.encode.on_openvino.runtime import ExportedNetwork
from indexer.encode.protocol import Choice
from indexer.encode.shared_frames import Frames
from indexer.encode.trial_set import trial_pictures
from indexer.errors import ModelUnavailable
from indexer.records.pictures import Vectors
from indexer.settings import ModelSettings
from tests.encode.conftest import (
    CONFIG,
    Exports,
    TinyModel,
    export_here,
    export_in,
    loaded,
    make_tiny,
    model_here,
    torch_vectors,
    vectors_here,
)
from tests.encode.test_tokens import write_siglip_tokenizer
from tests.soak import SOAK
from tests.worlds.waiting import DEADLINE_S

pytestmark = pytest.mark.xdist_group("exports")


@pytest.mark.usefixtures("in_this_process")
def test_a_second_start_makes_no_export_and_no_trial(
    tiny: TinyModel, kept: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model_here(tiny.settings(export_dir=kept))  # the copy's files are read once
    caplog.clear()
    with caplog.at_level(logging.INFO, "indexer"):
        _, facts = model_here(tiny.settings(export_dir=kept))
    assert (facts.choice.runtime, facts.choice.device) == ("openvino", "cpu")
    assert "exporting" not in caplog.text
    assert "trial:" not in caplog.text


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("written", ["", "[]", '{"here": 1}', '{"choice": {"shoe": 44}}'])
def test_a_record_that_cannot_be_read_costs_a_trial(
    written: str, tiny: TinyModel, kept: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for record in kept.glob("*.trial.json"):
        record.write_text(written)
    with caplog.at_level(logging.INFO, "indexer"):
        model_here(tiny.settings(export_dir=kept))
    assert "trial:" in caplog.text
    assert "exporting" not in caplog.text


def test_a_process_that_gives_no_answer_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_process, "_DEVICES_S", 0.05)  # importing torch takes longer everywhere
    assert export_process.devices_of_torch() == set()
    said = export_process._ask({"ask": "devices"}, 0.05)
    assert said == {"say": "died", "text": "no answer came within 0 s"}, "not that it could not be started"


@pytest.mark.usefixtures("in_this_process")
def test_torchs_devices_are_told() -> None:
    assert "cpu" in export_process.devices_of_torch()


async def test_after_the_export_torch_is_not_needed(tiny: TinyModel, exports: Exports, tmp_path: Path) -> None:
    """With nothing importable that only the export needs."""
    (tmp_path / "hidden.py").write_text(
        "import sys\n"
        "for name in ('torch', 'torchvision', 'open_clip', 'transformers', 'timm', 'huggingface_hub', 'safetensors'):\n"
        "    sys.modules[name] = None\n"
        "from indexer.encode.worker import main\n"
    )
    sys.path.append(str(tmp_path))
    try:
        async with open_encoder(tiny.settings(export_dir=exports.folder), worker="hidden") as encoder:
            assert encoder.choice.runtime == "openvino"
            assert np.isfinite(await encoder.encode_words(["a cat"])).all()
            assert np.isfinite(await encoder.encode_pixels(trial_pictures(32, 3))).all()
    finally:
        sys.path.remove(str(tmp_path))


def flip_a_byte(folder: Path) -> None:
    path = folder / "vision.bin"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut_in_half(folder: Path) -> None:
    path = folder / "text.bin"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def lose_a_file(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def lose_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def cut_the_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text()[:200])


def be_of_another_version(folder: Path) -> None:
    _say(folder, lambda told: told["versions"].update(openvino="2020.1"))


def be_of_another_format(folder: Path) -> None:
    _say(folder, lambda told: told.update(format=0))


def _say(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    told = json.loads((folder / "manifest.json").read_text())
    change(told)
    (folder / "manifest.json").write_text(json.dumps(told))


HARMS = [
    (flip_a_byte, "other bytes"),
    (cut_in_half, "bytes, and not"),
    (lose_a_file, "cannot be read"),
    (lose_the_manifest, "no exported model"),
    (cut_the_manifest, "cannot be read"),
    (be_of_another_version, "it was made with 2020.1"),
    (be_of_another_format, "format 0"),
]


@pytest.mark.parametrize(("harm", "said"), HARMS)
def test_an_export_that_is_not_right_does_not_serve(
    harm: Callable[[Path], None], said: str, tiny: TinyModel, kept: Path
) -> None:
    folder, source = export_in(kept), source_of(tiny.settings())
    assert why_unusable(folder, source) == ""
    harm(folder)
    assert said in why_unusable(folder, source)


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.soak
@pytest.mark.parametrize(("harm", "said"), HARMS if SOAK else HARMS[:1])
def test_an_export_that_is_not_right_is_made_anew(
    harm: Callable[[Path], None],
    said: str,
    tiny: TinyModel,
    exports: Exports,
    kept: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    harm(export_in(kept))
    with caplog.at_level(logging.INFO, "indexer"):
        after = vectors_here(*model_here(tiny.settings(export_dir=kept)))
    assert "exporting tiny-encode for OpenVINO" in caplog.text
    assert said in caplog.text
    assert np.allclose(exports.vectors, after, atol=1e-6)
    verify(export_in(kept), read_manifest(export_in(kept)))


def exports_of(tiny: TinyModel, other: TinyModel, both: Exports) -> tuple[Path, Path]:
    """Where the two models' exports lie."""
    ours, theirs = (both.folder / folder_name(model.settings(), source_of(model.settings())) for model in (tiny, other))
    return ours, theirs


@pytest.mark.usefixtures("in_this_process")
def test_weights_of_another_model_under_a_manifest_of_this_one_are_refused(
    tiny: TinyModel, other: TinyModel, both: Exports, tmp_path: Path
) -> None:
    """Files and sums agree, and yet they are not what torch makes of these weights."""
    whole, theirs = exports_of(tiny, other, both)
    ours = Path(shutil.copytree(whole, tmp_path / "ours"))
    for name in ("vision.xml", "vision.bin"):
        shutil.copy(theirs / name, ours / name)
    told = json.loads((theirs / "manifest.json").read_text())["files"]
    _say(ours, lambda manifest: manifest["files"].update({name: told[name] for name in ("vision.xml", "vision.bin")}))
    with pytest.raises(ModelUnavailable, match="gives other vectors than torch"):
        model_here(tiny.settings(export_dir=tmp_path, folder=ours))


def test_other_weights_get_an_export_of_their_own(
    tiny: TinyModel, other: TinyModel, exports: Exports, both: Exports
) -> None:
    assert not np.allclose(both.vectors, exports.vectors, atol=1e-3)
    ours, theirs = exports_of(tiny, other, both)
    assert why_unusable(exports.folder / theirs.name, source_of(other.settings())) == "there is none yet"
    assert why_unusable(theirs, source_of(other.settings())) == ""
    assert read_manifest(ours) == read_manifest(export_in(exports.folder))
    assert read_manifest(ours).spec.name == read_manifest(theirs).spec.name
    assert read_manifest(ours).spec.fingerprint != read_manifest(theirs).spec.fingerprint


@pytest.mark.usefixtures("in_this_process")
def test_a_folder_serves_where_its_model_has_never_been(exports: Exports, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(export_in(exports.folder), tmp_path / "elsewhere"))
    settings = ModelSettings("not asked", "not asked", folder=folder, precision="float32")
    model, facts = model_here(settings)
    assert facts.spec.name == "tiny-encode"
    assert np.allclose(vectors_here(model, facts), exports.vectors, atol=1e-6)
    flip_a_byte(folder)
    with pytest.raises(ModelUnavailable, match="holds other bytes"):
        model_here(settings)


@pytest.mark.usefixtures("in_this_process")
def test_a_siglips_words_are_mapped_and_its_texts_read_as_torch_reads_them(tmp_path: Path) -> None:
    write_siglip_tokenizer(tmp_path)
    text = {
        "context_length": 24, "vocab_size": 4000, "tokenizer_kwargs": {"clean": "canonicalize"}, "width": 32,
        "heads": 2, "layers": 2, "no_causal_mask": True, "proj_bias": True, "pool_type": "last",
        "norm_kwargs": {"eps": 1e-6}, "act_kwargs": {"approximate": "tanh"}, "hf_tokenizer_name": str(tmp_path),
    }  # fmt: skip
    config = {**CONFIG, "init_logit_bias": -10, "custom_text": True, "text_cfg": text}
    siglip = make_tiny(tmp_path, "tiny-siglip2", config)
    settings = siglip.settings(export_dir=tmp_path / "models")
    export_here(settings)
    cosines = (vectors_here(*model_here(settings)) * torch_vectors(siglip.settings())).sum(axis=1)
    assert cosines.min() >= 0.999
    words = np.load(export_in(tmp_path / "models") / "words.npy", mmap_mode="r")
    assert words.shape == (4000, 32)
    assert not read_manifest(export_in(tmp_path / "models")).text.short, "it looks at what fills a text up"


def test_texts_of_every_length_are_what_torch_makes_of_them_filled_up(tiny: TinyModel, exports: Exports) -> None:
    assert_short_texts(export_in(exports.folder), tiny)


def test_so_are_those_of_a_text_tower_of_its_own(tmp_path: Path) -> None:
    custom = make_tiny(tmp_path, "tiny-custom", {**CONFIG, "custom_text": True})
    export_here(custom.settings(export_dir=tmp_path / "models"))
    assert_short_texts(export_in(tmp_path / "models"), custom)


def assert_short_texts(folder: Path, model: TinyModel) -> None:
    manifest = read_manifest(folder)
    texts = ["", "!", "cat!!!!", *(" ".join(["cat"] * count) for count in range(1, manifest.text.context + 2))]
    choice = Choice("openvino", "cpu", "float32")
    found = ExportedNetwork(folder, manifest, choice).words(texts)
    filled_up = replace(manifest, text=replace(manifest.text, short=False))
    assert np.allclose(found, ExportedNetwork(folder, filled_up, choice).words(texts), atol=1e-5)
    assert (found * loaded(model.settings()).network.words(texts)).sum(axis=1).min() >= 0.9999
    assert manifest.text.short
    assert (folder / "text.xml").read_text().count('shape="?,?"') == 1, "ids of any number and any length"


@pytest.mark.usefixtures("in_this_process")
def test_what_cannot_be_exported_runs_on_torch_and_is_not_tried_again(
    tiny: TinyModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = {**CONFIG, "text_cfg": {**CONFIG["text_cfg"], "tokenizer_kwargs": {"reduction_mask": "simple"}}}
    odd = make_tiny(tmp_path, "tiny-odd", config)
    settings = odd.settings(export_dir=tmp_path / "models")
    with caplog.at_level(logging.INFO, "indexer"):
        assert model_here(settings)[1].choice.runtime == "torch"
        assert "leaves out tokens at random" in caplog.text
        caplog.clear()
        with pytest.raises(Refused, match="at random"):
            exported(settings)
    assert "exporting" not in caplog.text
    with pytest.raises(ModelUnavailable, match="at random"):
        model_here(odd.settings(export_dir=tmp_path / "models", runtime="openvino"))


@pytest.mark.usefixtures("in_this_process")
def test_without_weights_there_is_no_export_and_the_ways_out_are_said(tiny: TinyModel, tmp_path: Path) -> None:
    settings = tiny.settings(export_dir=tmp_path / "models", pretrained=str(tmp_path / "gone.safetensors"))
    with pytest.raises(ModelUnavailable, match="there is no file"):
        model_here(settings)


def test_half_a_folder_is_never_found_and_what_was_there_stays(kept: Path) -> None:
    folder = export_in(kept)
    before = (folder / "manifest.json").read_text()

    def fill(making: Path) -> Any:
        (making / "vision.bin").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"), alone_in(kept):
        write_folder(folder, fill)
    assert (folder / "manifest.json").read_text() == before
    assert not list(kept.glob(".tiny*"))


def test_what_a_killed_export_left_is_deleted_by_the_next_and_nothing_of_others(kept: Path) -> None:
    """The folder of exports may be any folder of a user's."""
    for name in (".tiny.afterimage-making", ".tiny.afterimage-before", ".letters.tmp", ".letters.old"):
        (kept / name).mkdir()
        (kept / name / "vision.bin").write_bytes(b"half")
    with alone_in(kept):
        assert sorted(path.name for path in kept.glob(".*") if path.is_dir()) == [".letters.old", ".letters.tmp"]


def test_a_folder_is_made_where_an_earlier_try_was_killed(kept: Path, tmp_path: Path) -> None:
    manifest = read_manifest(export_in(kept))
    (tmp_path / ".copy.afterimage-making").mkdir()
    (tmp_path / ".copy.afterimage-making" / "left.bin").write_bytes(b"half")
    write_folder(tmp_path / "copy", lambda making: manifest)
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["manifest.json"]


def test_whoever_waits_for_another_export_is_told(kept: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "indexer")
    begun = threading.Event()

    def wait() -> None:
        begun.set()
        with alone_in(kept):
            pass

    with alone_in(kept):
        waiting = threading.Thread(target=wait, daemon=True)
        waiting.start()
        assert begun.wait(DEADLINE_S)
        end_s = time.monotonic() + DEADLINE_S
        while "waiting for another process" not in caplog.text and time.monotonic() < end_s:
            time.sleep(0.01)
        assert waiting.is_alive()
    waiting.join(DEADLINE_S)
    assert not waiting.is_alive()
    assert caplog.text.count(f"waiting for another process, which is making an export in {kept}") == 1


def test_a_checkpoint_that_has_not_changed_is_not_read_again(tiny: TinyModel, tmp_path: Path) -> None:
    """The model's process asks for its checksum at each start: a gigabyte takes seconds."""
    checkpoint = Path(shutil.copy(tiny.checkpoint, tmp_path / "weights.safetensors"))
    settings = tiny.settings(pretrained=str(checkpoint), export_dir=tmp_path / "models")
    right = source_of(settings)["checkpoint"]
    assert right == sha256_of(checkpoint)
    (record,) = (tmp_path / "models").glob("*.checksum.json")
    record.write_text(record.read_text().replace(right, "as the record says"))
    assert source_of(settings)["checkpoint"] == "as the record says"
    checkpoint.write_bytes(checkpoint.read_bytes())  # the same bytes at another time
    assert source_of(settings)["checkpoint"] == right
    record.write_text("[]")
    assert source_of(settings)["checkpoint"] == right
    assert source_of(tiny.settings(pretrained=str(checkpoint)))["checkpoint"] == right  # no folder for records


def test_a_manifest_that_cannot_be_read_is_damage(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="no exported model"):
        read_manifest(tmp_path)
    (tmp_path / export_folder.MANIFEST).write_text("[]")
    with pytest.raises(Damaged, match="cannot be read"):
        read_manifest(tmp_path)


def test_the_trial_of_a_slow_processor_is_more_than_one_batch_long() -> None:
    done: list[int] = []

    class Slow(ExportedNetwork):
        def __init__(self) -> None:
            """Needs no export."""

        def pixels(self, frames: Frames) -> Vectors:
            time.sleep(0.3)  # longer than a way is timed for
            done.append(len(frames))
            return np.ones((len(frames), 4), np.float32)

    assert runtime.pictures_per_s(Slow(), 8, 2) > 0
    assert done == [2, 2] + [2] * 2 + [2] * 2 * 3  # warm, timed once; each of two streams warm; three batches in each


def test_what_the_first_batch_of_each_stream_takes_more_is_not_counted() -> None:
    seen = threading.local()

    class SlowAtFirst(ExportedNetwork):
        def __init__(self) -> None:
            """Needs no export."""

        def pixels(self, frames: Frames) -> Vectors:
            time.sleep(0.01 if hasattr(seen, "before") else 1.0)
            seen.before = True
            return np.ones((len(frames), 4), np.float32)

    assert runtime.pictures_per_s(SlowAtFirst(), 8, 2) > 100, "counted in, three batches of 8 in each stream give 47"


def test_nothing_reports_over_the_network_what_is_run() -> None:
    """openvino and nncf would, by this package, where a file in the home folder allows it.

    This process has imported them as the model's processes do: our modules first.
    """
    with warnings.catch_warnings(action="ignore"):
        for name in ("indexer.encode.on_openvino.runtime", "indexer.encode.on_openvino.export", "nncf"):
            importlib.import_module(name)
    assert not [name for name in sys.modules if name.startswith("openvino_telemetry.")]
    assert sys.modules["openvino_telemetry"] is None
