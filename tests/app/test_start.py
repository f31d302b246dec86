"""A start says its first word before it imports what takes long, and imports nothing that this bot does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.worlds.child_bot import environment
from tests.worlds.waiting import DEADLINE_S

# Archives, HTTP, scans and models: each is imported where it is used.
LATER = {"msgspec", "indexer.archives", "aiohttp.web", "prometheus_client", "faiss", "torch", "openvino", "sandbox"}
# What reads pictures, where neither ocr.enabled nor captions.enabled is true.
TEXTS = {"rapidocr", "onnxruntime", "cv2", "transformers", "indexer.picture_texts.lane", "indexer.picture_texts.files"}
# Reaching encoders elsewhere, where model.runtime is not ray.
RAY = {"ray", "grpc", "indexer.encode.on_ray", "indexer.encode.on_ray.pool"}
NOWHERE = {"AFTERIMAGE_DISCORD_TOKEN": "a.made-up.token", "AFTERIMAGE_DISCORD_API_BASE": "http://127.0.0.1:9"}


def test_the_log_begins_before_the_bot_is_imported(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "bot", "run"],
        cwd=tmp_path,
        env=environment(**NOWHERE),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    lines = done.stderr.splitlines()
    assert done.returncode == 1, lines[-1]
    (first,) = [at for at, line in enumerate(lines) if "is starting" in line]
    imported = {line.rpartition("|")[2].strip(): at for at, line in enumerate(lines) if line.startswith("import time:")}
    assert {"discord", "numpy", "aiohttp", "bot.app"} <= imported.keys()
    assert first < min(imported[name] for name in ("discord", "numpy", "aiohttp", "bot.app"))


@pytest.mark.skipif(sys.platform != "linux", reason="a process's threads are counted in /proc")
def test_a_matrix_product_takes_one_thread() -> None:
    code = (
        "import os, bot.__main__; import numpy; values = numpy.ones((600, 600), 'f4'); values @ values\n"
        "print(len(os.listdir('/proc/self/task')))"
    )
    kept = {name: value for name, value in environment().items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=kept, capture_output=True, text=True, timeout=DEADLINE_S, check=True
    )
    assert done.stdout == "1\n"


def test_what_only_some_bots_need_is_imported_where_it_is_used() -> None:
    code = (
        "import sys, bot.app; from indexer.picture_texts.opening import wanted_readers\n"
        "from indexer.settings import Settings\n"
        "assert wanted_readers(Settings()) == []; print(sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=DEADLINE_S, check=True
    )
    modules = set(done.stdout.replace("'", "").strip("[]\n").split(", "))
    assert "bot.gateway.client" in modules
    assert modules & (LATER | TEXTS | RAY) == set()
    of_readers = ("indexer.picture_texts.ocr", "indexer.picture_texts.captions")
    assert not [name for name in modules if name.startswith(of_readers)]
