"""What a person types to give another command."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from bot.observability import terminal


def program() -> str:
    """`afterimage` where it is on the search path, else its file as it was called."""
    called = Path(sys.argv[0])
    known = called.stem != "afterimage" or shutil.which("afterimage") is not None
    return "afterimage" if known else terminal.one_line(called.as_posix())
