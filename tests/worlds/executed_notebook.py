"""Executes a notebook and writes it with what it gave: `python -m tests.worlds.executed_notebook SOURCE TARGET`.

With the same file twice, a notebook of docs/notebooks is made anew after a change. It runs in a process of its own:
Jupyter's client blocks its event loops.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
CELL_S = 300  # seconds that one cell may take


def main(source: str, target: str) -> None:
    reader: Any = nbformat
    notebook = reader.read(source, as_version=4)
    resources = {"metadata": {"path": str(ROOT)}}
    NotebookClient(notebook, timeout=CELL_S, kernel_name="python3", resources=resources).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it ran
    reader.write(notebook, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
