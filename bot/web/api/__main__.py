"""`python -m bot.web.api FILE` writes the OpenAPI document. docs/openapi.json is one: a test compares them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bot.web.api.api import OPERATIONS
from bot.web.api.openapi import document


def text() -> str:
    """The document as it is kept."""
    return json.dumps(document(OPERATIONS), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), "utf-8")
