"""Commands given in the process of the tests, where the process of a command is not what is tested.

A process takes a second of a processor to import what a command needs.
"""

from __future__ import annotations

import io
import os
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from bot import cli


@dataclass(frozen=True, slots=True)
class Done:
    """What a command ended with, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def give_command(folder: Path, *arguments: str, **variables: str) -> Done:
    """Gives a command in the folder, without the settings of this process's environment. Blocks: call it in a thread.

    The working directory and the output are the whole process's: only one command can be given at a time.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AFTERIMAGE_")}
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, {**kept, **variables}, clear=True),
        chdir(folder),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            code = cli.main(list(arguments))
        except SystemExit as wrong_usage:
            code = int(wrong_usage.code or 0)
    return Done(code, out.getvalue(), err.getvalue())
