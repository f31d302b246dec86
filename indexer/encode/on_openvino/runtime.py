"""An exported model on the processor by OpenVINO: checked against torch's float32 before it is used, and timed."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from indexer.encode.on_openvino.export_process import Refused, quantized
from indexer.encode.on_openvino.folder import (
    Damaged,
    Manifest,
    read_manifest,
    record_of,
    verify_once,
)
from indexer.encode.on_openvino.int8 import FrameSample, int8_folder, usable_int8
from indexer.encode.on_openvino.records import json_of, records_folder, write_record
from indexer.encode.protocol import Choice, Facts
from indexer.encode.shared_frames import Frames
from indexer.encode.tokens import Tokenizer, short_batches
from indexer.encode.trial_set import PICTURES, TEXTS, trial_pictures
from indexer.records.pictures import Vectors
from indexer.settings import ModelSettings

log = logging.getLogger(__name__)

MEAN_COSINE = 0.9999  # to torch's float32, over the trial set; below it, it is not the same model any more
LEAST_COSINE = 0.999
_FASTER = 1.1  # a gain of less is within the noise of so short a trial
_TRIAL_S = 0.25  # seconds that each way is timed for,
_LEAST_BATCHES = 3  # and batches of each stream, where a processor is so slow that those take longer
_TRIAL_PICTURES = 8  # a batch; fewer where they take longer than the trial
# What a processor must have, in OpenVINO's words, and what it is told. An emulated bfloat16 raises.
_PRECISIONS = {"float32": ("FP32", "f32"), "bfloat16": ("BF16", "bf16"), "float16": ("FP16", "f16")}


class ExportedNetwork:
    """One export, running as `choice` says. Any thread may call it. Each half is loaded when it is first used.

    `threads` is how many are asked for; 0: OpenVINO chooses, and `choice` may say how many it chose before. `int8` is
    the folder with the pictures' network in int8, where there is one that has passed.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, choice: Choice, *, threads: int = 0, int8: Path | None = None
    ) -> None:
        self._folder = folder
        self._manifest = manifest
        self._precision = choice.precision  # of what is not in int8
        self._threads = threads
        self.choice = choice
        """How it runs now."""
        self._loading = threading.Lock()
        self._int8: Path | None = None
        self._sample: FrameSample | None = None
        if int8 is not None:
            self._take_int8(int8)

    def pixels(self, frames: Frames) -> Vectors:
        """[n, d] float32 of unit length, from [n, size, size, 3] uint8; a row that is not finite is the caller's to
        refuse."""
        with self._loading:
            pictures = self._pictures
        # One picture goes twice: for a batch of one, OpenVINO would keep a second copy of the weights in another order.
        batch = np.repeat(frames, 2, axis=0) if len(frames) == 1 else np.ascontiguousarray(frames)
        vectors = pictures.vectors({"frames": batch})[: len(frames)]
        if self._sample is not None and (sample := self._sample.take(frames)) is not None:
            threading.Thread(target=self._calibrate, args=(sample,), name="int8", daemon=True).start()
        return vectors

    @property
    def threads(self) -> int:
        """How many threads work on pictures. Loads their network."""
        with self._loading:
            return self._pictures.threads

    def calibrate_into(self, target: Path) -> None:
        """Goes over to int8 by itself, once it has seen enough pictures and int8 has passed on them."""
        self._sample, self._target = FrameSample(), target

    def _calibrate(self, sample: Frames) -> None:
        assert self._sample is not None
        log.info("calibrating int8 on %d pictures; this takes minutes, and indexing goes on", len(sample))
        self._sample.drop()
        why_not = quantized(self._folder, sample, self._target)
        if why_not:
            log.warning("int8 is not used, %s is: %s", self._precision, why_not)
            return
        with self._loading:
            self._take_int8(self._target)
        log.info("int8 is used from now on")

    def _take_int8(self, folder: Path) -> None:
        self._int8 = folder
        self.__dict__.pop("_pictures", None)  # compiled anew when it is next asked
        self.choice = replace(self.choice, precision="int8", pictures_per_s=0.0)

    def words(self, texts: Sequence[str]) -> Vectors:
        """[n, d] float32 of unit length. Text beyond the model's context is cut."""
        with self._loading:
            network, tokenizer, rows = self._texts
        ids = tokenizer(texts)
        if self._manifest.text.short:
            batches = list(short_batches(ids))
        else:  # each has the whole context: together they are not faster, and bring a second copy of the weights
            batches = [(np.array([at]), ids[at : at + 1]) for at in range(len(texts))]
        vectors = np.empty((len(texts), self._manifest.spec.dimension), np.float32)
        for chosen, batch in batches:
            inputs = {"ids": batch} if rows is None else {"ids": batch, "rows": rows[batch].astype(np.float32)}
            vectors[chosen] = network.vectors(inputs)[: len(chosen)]
        return vectors

    @cached_property
    def _pictures(self) -> _Compiled:
        return _Compiled(
            (self._int8 or self._folder) / "vision.xml", self._precision, self.choice.streams, self._threads
        )

    @cached_property
    def _texts(self) -> tuple[_Compiled, Tokenizer, Any]:
        rows = None
        if "words.npy" in self._manifest.files:
            rows = np.load(self._folder / "words.npy", mmap_mode="r")
        tokenizer = Tokenizer(self._folder / "tokenizer.json", self._manifest.text)
        return _Compiled(self._folder / "text.xml", self._precision, 1, self._threads), tokenizer, rows


class _Compiled:
    """A network that is ready, and as many requests as it has streams. `threads` work on it."""

    def __init__(self, path: Path, precision: str, streams: int, threads: int) -> None:
        """`threads`: 0: OpenVINO chooses."""
        how: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": _PRECISIONS[precision][1],
            "NUM_STREAMS": streams,
            "ENABLE_CPU_PINNING": False,  # the picture readers use the same cores
        }
        if threads:
            how["INFERENCE_NUM_THREADS"] = threads
        compiled = _core().compile_model(path, "CPU", how)
        self.threads = int(compiled.get_property("INFERENCE_NUM_THREADS"))
        self._inputs = {port.any_name for port in compiled.inputs}
        self._free: queue.SimpleQueue[ov.InferRequest] = queue.SimpleQueue()
        for _ in range(streams):
            self._free.put(compiled.create_infer_request())

    def vectors(self, inputs: dict[str, Any]) -> Vectors:
        """Waits where every stream is busy."""
        request = self._free.get()
        try:
            result = request.infer({name: inputs[name] for name in self._inputs}, share_inputs=True)
            return np.array(result[0], np.float32)
        finally:
            self._free.put(request)


@cache
def _core() -> ov.Core:
    return ov.Core()


def open_export(folder: Path, settings: ModelSettings, settled: Choice | None) -> tuple[ExportedNetwork, Facts]:
    """The model of an export's folder. Its files are read and its vectors checked before it is used for the first time
    on this machine; what was found then is kept in `settings.export_dir`.

    Raises Refused where the files are not what was written, or give other vectors than torch did.
    """
    # OpenVINO's binding prepares its use of numpy at the first array. Where two threads bring their first arrays at
    # once, one waits for the interpreter's lock and the other for the preparation, for ever: seen in a process with two
    # streams. So the first array comes here, before there is a second thread.
    ov.Tensor(np.zeros(1, np.float32))
    records = records_folder(settings)
    try:
        manifest = read_manifest(folder)
        verify_once(folder, manifest, records)
    except Damaged as error:
        raise Refused(str(error)) from error
    choice = settled if settled and settled.precision != "int8" else _known_choice(manifest, settings, records)
    network = None
    if choice is None:
        try:
            choice, network = _settle(folder, manifest, settings)
        except RuntimeError as error:  # OpenVINO's own: this processor has something that it cannot run there
            raise Refused(f"OpenVINO failed ({str(error).strip().splitlines()[0][:200]})") from error
        if (record := record_of(manifest, records, "trial")) is not None:
            write_record(record, {"here": _here(settings), "choice": asdict(choice)})
    if settings.precision == "int8":
        network = _with_int8(folder, manifest, choice, settings.threads, records)
    network = network or ExportedNetwork(folder, manifest, choice, threads=settings.threads)
    return network, Facts(manifest.spec, manifest.pixel_spec, network.choice)


def _with_int8(folder: Path, manifest: Manifest, choice: Choice, threads: int, records: Path | None) -> ExportedNetwork:
    """In int8 where that has passed before; else a network that goes over to it when it has."""
    reduced = usable_int8(folder, manifest, records)
    network = ExportedNetwork(folder, manifest, choice, threads=threads, int8=reduced)
    if reduced is None and records is None:
        log.warning("int8 is not used: model.export_dir names no folder to keep it in")
    elif reduced is None and records is not None:
        network.calibrate_into(int8_folder(folder, records))
    return network


def _here(settings: ModelSettings) -> list[Any]:
    """What a trial's outcome depends on beside the export."""
    processor = _core().get_property("CPU", "FULL_DEVICE_NAME")
    return [ov.__version__, processor, os.cpu_count(), settings.precision, settings.streams, settings.threads]


def _known_choice(manifest: Manifest, settings: ModelSettings, records: Path | None) -> Choice | None:
    record = record_of(manifest, records, "trial")
    told: Any = json_of(record) if record is not None else None
    try:
        return Choice(**told["choice"]) if told["here"] == _here(settings) else None
    except (KeyError, TypeError):  # none, or none that can be read: the trial is made again
        return None


@dataclass(frozen=True, slots=True)
class _Trial:
    """How a way to run the model did."""

    network: ExportedNetwork
    choice: Choice

    def cosines(self, size: int, reference: Vectors) -> tuple[float, float]:
        """To what torch made of the trial set in float32: mean and least."""
        pictures = np.stack(trial_pictures(size, PICTURES))
        parts = [self.network.pixels(pictures[at : at + 8]) for at in range(0, PICTURES, 8)]
        cosines = (np.concatenate([*parts, self.network.words(TEXTS)]) * reference).sum(axis=1)
        return float(cosines.mean()), float(cosines.min())


def _settle(folder: Path, manifest: Manifest, settings: ModelSettings) -> tuple[Choice, ExportedNetwork]:
    """The precision and the streams that serve best here, or those asked for. Says in the log why. Raises Refused."""
    reference = np.load(folder / "reference.npy")
    size = manifest.pixel_spec.size

    def tried(precision: str, streams: int) -> _Trial:
        choice = Choice("openvino", "cpu", precision, streams)
        network = ExportedNetwork(folder, manifest, choice, threads=settings.threads)
        speed = pictures_per_s(network, size, streams)
        trial = _Trial(network, replace(choice, threads=network.threads, pictures_per_s=speed))
        log.info("trial: %s", trial.choice)
        return trial

    best = tried("float32", settings.streams or 1)
    mean, least = best.cosines(size, reference)
    if not (mean >= MEAN_COSINE and least >= LEAST_COSINE):
        raise Refused(f"{folder} gives other vectors than torch does (cosine mean {mean:.5f}, min {least:.5f})")
    for precision in _candidates(settings.precision):
        trial = tried(precision, best.choice.streams)
        mean, least = trial.cosines(size, reference)
        faster = trial.choice.pictures_per_s >= _FASTER * best.choice.pictures_per_s
        if not (mean >= MEAN_COSINE and least >= LEAST_COSINE):
            log.warning("not %s: its cosine to float32 is %.5f in the mean, %.5f at the least", precision, mean, least)
        elif faster or settings.precision == precision:
            best = trial
    for count in _streams(settings):
        trial = tried(best.choice.precision, count)
        if trial.choice.pictures_per_s > best.choice.pictures_per_s:
            best = trial
    best.network.choice = best.choice
    return best.choice, best.network


def _candidates(asked: str) -> list[str]:
    """Which precisions are tried beside float32: those asked for that the processor has."""
    there = set(_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    if asked in ("auto", "int8"):  # what is not in int8 runs in the best of the others
        return [name for name in ("bfloat16", "float16") if _PRECISIONS[name][0] in there]
    if asked != "float32" and _PRECISIONS[asked][0] not in there:
        log.warning("precision: float32, because this processor has no %s", asked)
        return []
    return [name for name in (asked,) if name != "float32"]


def _streams(settings: ModelSettings) -> list[int]:
    """How many batches at once are tried beside one."""
    if settings.streams:
        return []
    cores = settings.threads or os.cpu_count() or 1
    return sorted({count for count in (2, cores // 4) if 1 < count <= min(cores, 8)})


def pictures_per_s(network: ExportedNetwork, size: int, streams: int) -> float:
    """Pictures a second, with as many batches at once as there are streams."""
    pictures = np.stack(trial_pictures(size, _TRIAL_PICTURES))
    network.pixels(pictures[:2])  # the first run warms up; one picture alone would go twice
    start = time.perf_counter()
    network.pixels(pictures[:2])
    a_picture_s = (time.perf_counter() - start) / 2
    count = int(min(max(_TRIAL_S / a_picture_s, 2), _TRIAL_PICTURES))
    batch = pictures[:count]

    def repeat(start: float) -> list[float]:
        ends: list[float] = []
        while len(ends) < _LEAST_BATCHES or ends[-1] < start + _TRIAL_S:
            network.pixels(batch)
            ends.append(time.perf_counter())
        return ends

    with ThreadPoolExecutor(streams) as threads:
        # The first batch of each stream takes longer. Counted in, two streams looked half as fast as one.
        list(threads.map(network.pixels, [batch] * streams))
        start = time.perf_counter()
        ends = [end for found in threads.map(repeat, [start] * streams) for end in found]
    return round(len(ends) * count / (max(ends) - start), 1)
