"""The notebooks of docs/notebooks run from their first cell to their last, and are kept with small outputs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.worlds.waiting import DEADLINE_S

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))
MOST_BYTES = 500_000


def opened(path: Path) -> Any:
    reader: Any = nbformat
    notebook = reader.read(path, as_version=4)
    reader.validate(notebook)
    return notebook


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def printed(notebook: Any) -> str:
    return "".join(output.text for output in outputs(notebook) if output.output_type == "stream")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_with_what_it_gave_small_and_without_a_word_of_the_machine(path: Path) -> None:
    notebook = opened(path)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "execute it as a whole"
    assert {output.output_type for output in outputs(notebook)} <= {"stream", "display_data", "execute_result"}
    assert path.stat().st_size < MOST_BYTES
    assert not re.search(r"/(tmp|home|root|work|Users)/", path.read_text()), "a path of somebody's machine"


@pytest.mark.xdist_group("torch")
def test_re_ranking_is_shown_from_the_first_cell_to_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))  # nothing is left in somebody's home
    target = tmp_path / "executed.ipynb"
    done = subprocess.run(
        [sys.executable, "-m", "tests.worlds.executed_notebook", ROOT / "docs/notebooks/reranking.ipynb", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    notebook = opened(target)
    said = printed(notebook)
    scores = {
        way: float(mrr) for way, mrr in re.findall(r"^(first stage|hybrid|re-ranked) .* ([\d.]+)$", said, re.MULTILINE)
    }
    assert scores.keys() == {"first stage", "hybrid", "re-ranked"}
    assert all(0 < score <= 1 for score in scores.values())
    assert re.search(r"done, (\d+) of \1 scored", said)
    kinds = [kind for output in outputs(notebook) if "data" in output for kind in output.data]
    assert kinds.count("image/jpeg") == 2
    assert kinds.count("image/svg+xml") == 2
