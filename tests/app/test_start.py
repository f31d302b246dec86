"""A start says its first word before it imports what takes long, and imports nothing that this bot does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.worlds.child_bot import environment
from tests.worlds.waiting import DEADLINE_S

# Archives, HTTP, scans and models: each is imported where it is used.
LATER = {"msgspec", "indexer.archives", "aiohttp.web", "prometheus_client", "faiss", "torch", "openvino", "sandbox"}
# Reading words, where ocr.enabled is false.
OCR = {"rapidocr", "onnxruntime", "cv2", "indexer.ocr.models", "indexer.ocr.lane", "indexer.ocr.reader_process"}
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


def test_what_only_some_bots_need_is_imported_where_it_is_used() -> None:
    code = (
        "import sys, bot.app; from indexer.ocr.opening import required_models; from indexer.settings import Settings\n"
        "assert required_models(Settings()) is None; print(sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=DEADLINE_S, check=True
    )
    modules = set(done.stdout.replace("'", "").strip("[]\n").split(", "))
    assert "bot.gateway.client" in modules
    assert modules & (LATER | OCR) == set()
