"""`model` and its actions."""

from __future__ import annotations

import argparse
from pathlib import Path

from bot.command_line.parsers.parser import Commands, add_json


def add_model(commands: Commands) -> None:
    actions = commands.group(
        "model",
        "Choose the model: which there are, download, check and time them.",
        notes="NAME is one of the list, or open_clip's ARCHITECTURE:TAG; without it the configured model is meant.",
    )
    add_json(
        actions.add(
            "list",
            "model:show_list",
            "Show the models by name: licence, size, published recall, and cost here.",
            examples=["model list"],
        )
    )
    _add_name(
        actions.add(
            "download",
            "model:download",
            "Download a model into model.cache_dir (or the hub's own cache), so that no start waits for it. Goes on"
            " where an earlier try ended; every file is compared with the hub's checksum.",
            examples=["model download", "model download quality"],
        )
    )
    verify = actions.add(
        "verify",
        "model:verify",
        "Read every file of a model that is here, and compare it with its checksum. No network.",
        examples=["model verify"],
    )
    _add_name(verify)
    add_json(verify)
    export = actions.add(
        "export",
        "model:export",
        "Write a model into a new folder as OpenVINO runs it, tokenizer included. On another machine model.folder names"
        " that folder, and neither torch nor a network is needed there. It is compared with torch first.",
        examples=["model export english --to models/english"],
    )
    _add_name(export)
    export.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="the folder to make")
    trial = actions.add(
        "trial",
        "model:trial",
        "Load a model and time it on this machine: pictures a second, and milliseconds a text.",
        examples=["model trial english"],
    )
    _add_name(trial)
    add_json(trial)


def _add_name(action: argparse.ArgumentParser) -> None:
    action.add_argument("name", nargs="?", metavar="NAME", help="as `afterimage model list` names it")
