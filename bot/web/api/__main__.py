"""`python -m bot.web.api FILE` writes the OpenAPI document, or (FILE.md) the reference that is made from it.

docs/openapi.json and docs/http-reference.md are such: a test compares them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bot.web.api.api import OPERATIONS
from bot.web.api.openapi import document
from bot.web.api.reference import reference


def text(file: Path) -> str:
    """What is kept in a file of this name."""
    made = document(OPERATIONS)
    return reference(made) if file.suffix == ".md" else json.dumps(made, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        Path(name).write_text(text(Path(name)), "utf-8")
