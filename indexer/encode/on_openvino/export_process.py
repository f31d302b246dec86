"""The process that exports a model, and who starts it: torch and open_clip come with it and go with it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from indexer.encode.child import begin, log_levels, log_to
from indexer.encode.on_openvino.folder import (
    Damaged,
    alone_in,
    folder_name,
    installed_versions,
    read_manifest,
    source_of,
    verify_once,
    why_outdated,
)
from indexer.encode.on_openvino.records import json_of, write_record
from indexer.encode.protocol import LENGTH, message, settings_json, settings_of
from indexer.encode.shared_frames import Frames, mapped
from indexer.errors import ModelUnavailable
from indexer.platforms.processes import command, lower_priority
from indexer.platforms.shared_memory import create_shared, delete_shared, inherited, open_shared
from indexer.settings import ModelSettings

log = logging.getLogger(__name__)

PROCESS = "indexer.encode.on_openvino.export_process"

# Seconds that it may take, at the most.
_DEVICES_S = 120.0  # importing torch from a cold disk
_EXPORT_S = 6 * 3600.0  # the weights are downloaded in it: 3.5 GB by a slow line; a broken one ends by itself (hub.py)
_INT8_S = 6 * 3600.0  # ViT-L on a slow processor, giving way to everything else


class Refused(Exception):
    """This model cannot be run from an export: says why."""


def exported(settings: ModelSettings) -> Path:
    """The folder with the model's export in `settings.export_dir`, which is made where it is not there or not right.

    Takes seconds where it is made, and the time of a download. Raises Refused, and ModelUnavailable where there are no
    weights to export.
    """
    if settings.export_dir is None:
        raise Refused("model.export_dir names no folder to keep an export in")
    exports = settings.export_dir.expanduser()
    try:
        source = source_of(settings)
    except OSError as error:
        raise ModelUnavailable(f"{error.filename} cannot be read ({error.strerror}).") from error
    folder = exports / folder_name(settings, source)
    why = why_unusable(folder, source)
    if not why:
        return folder
    versions = installed_versions()
    refused = exports / f"{folder.name}.refused.json"
    told = json_of(refused)
    if isinstance(told, dict) and told.get("versions") == versions:
        raise Refused(str(told.get("why")))
    log.info("exporting %s for OpenVINO, which is done once: %s", settings.name, why)
    answer = _ask({"ask": "export", "model": settings_json(settings), "folder": str(folder)}, _EXPORT_S)
    match answer["say"]:
        case "exported":
            return folder
        case "unavailable":
            raise ModelUnavailable(str(answer["text"]))
        case "refused":
            write_record(refused, {"versions": versions, "why": answer["text"]})
            raise Refused(str(answer["text"]))
    raise Refused(f"the export failed: {answer.get('text', '')}")


def why_unusable(folder: Path, source: dict[str, str]) -> str:
    """Why an export must be made (anew); "" where the one that is there serves."""
    if not folder.exists():
        return "there is none yet"
    try:
        manifest = read_manifest(folder)
        if outdated := why_outdated(manifest, source, installed_versions()):
            return outdated
        verify_once(folder, manifest, folder.parent)
    except Damaged as error:
        return str(error)
    return ""


def devices_of_torch() -> set[str]:
    """The kinds of device that torch finds here; none where it cannot be asked."""
    return set(_ask({"ask": "devices"}, _DEVICES_S).get("devices", ()))


def quantized(folder: Path, frames: Frames, target: Path) -> str:
    """Calibrates an export in int8 on a sample of frames; "" where it has passed and lies in `target`, else why not.

    Minutes, in a process that gives way to others. The frames go over in shared memory.
    """
    handle, reference = create_shared()
    try:
        os.ftruncate(handle, frames.nbytes)
        mapped(handle, frames.shape[1])[:] = frames
        answer = _ask(
            {"ask": "quantize", "folder": str(folder), "target": str(target), "frames": reference,
             "size": frames.shape[1]}, _INT8_S, inherited(reference)
        )  # fmt: skip
    finally:
        delete_shared(handle, reference)
    return "" if answer["say"] == "passed" else str(answer.get("text", answer["say"]))


def _ask(request: dict[str, Any], longest_s: float, handles: tuple[int, ...] = ()) -> dict[str, Any]:
    """Runs the process for one request; what it logs goes to this process's log. Its last words, where it dies.

    After `longest_s` seconds it is killed.
    """
    arguments = json.dumps({"parent": os.getpid(), "levels": log_levels()})
    process = subprocess.Popen(  # noqa: S603 -- our own module
        command(arguments, PROCESS), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None, pass_fds=handles
    )
    assert process.stdin is not None
    assert process.stdout is not None
    began_s, deadline = time.monotonic(), threading.Timer(longest_s, process.kill)
    deadline.daemon = True
    deadline.start()
    try:
        with suppress(BrokenPipeError):  # it has died: its output has ended too, which is what is answered
            process.stdin.write(message(request))
            process.stdin.flush()
        while said := _said(process.stdout):
            if said["say"] != "log":
                return said
            logging.getLogger(str(said["logger"])).log(int(said["level"]), "%s", said["text"])
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()  # it ends
        process.stdout.close()
        status = process.wait()  # the deadline holds for this too
        deadline.cancel()
    if time.monotonic() - began_s >= longest_s:
        return {"say": "died", "text": f"no answer came within {longest_s:.0f} s"}
    return {"say": "died", "text": f"its process ended with status {status}"}


def _said(answers: IO[bytes]) -> dict[str, Any]:
    """The next thing that the process says; nothing where it died before it had said all of it."""
    head = answers.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return {}
    (length,) = LENGTH.unpack(head)
    body = answers.read(length)
    said: dict[str, Any] = json.loads(body) if len(body) == length else {}
    return said


def main(arguments: str) -> None:
    """What the process does: one request, one answer, then its standard input ends and it with it."""
    given = json.loads(arguments)
    requests, answers = begin(given["parent"])
    log_to(answers, given["levels"])
    request = requests.get()
    if request["ask"] == "quantize":
        lower_priority(10)  # indexing goes on beside it
    answers.say(**answer(request))
    requests.get()  # the end of standard input ends the process; nothing else comes


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What is said to a request: `what`, and its values. Imports what the request needs."""
    if request["ask"] == "devices":
        import torch

        there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
        return {"what": "devices", "devices": [name for name, is_there in there.items() if is_there]}
    if request["ask"] == "quantize":
        return _quantize(request)
    return _export(settings_of(request["model"]), Path(request["folder"]))


def _quantize(request: dict[str, Any]) -> dict[str, Any]:
    from indexer.encode.on_openvino.int8 import write_int8

    folder, target = Path(request["folder"]), Path(request["target"])
    frames = mapped(open_shared(request["frames"]), request["size"])
    try:
        with alone_in(target.parent):
            found = write_int8(folder, read_manifest(folder), frames, target)
    except ModuleNotFoundError as error:
        return {"what": "failed", "text": f"{error.name} is not installed: pip install 'afterimage[int8]'"}
    except (Damaged, OSError) as error:
        return {"what": "failed", "text": str(error)}
    log.info("int8 on pictures that it was not calibrated on: %s", found)
    return {"what": "passed" if found.passed else "failed", "text": f"it is too far from float32 ({found})"}


def _export(settings: ModelSettings, folder: Path) -> dict[str, Any]:
    from indexer.encode.on_openvino.export import export
    from indexer.encode.on_openvino.write_tokenizer import NotExportable

    try:
        with alone_in(folder.parent):
            source = source_of(settings)
            if why_unusable(folder, source):  # another process may have made it meanwhile
                export(settings, source, folder)
    except ModelUnavailable as error:
        return {"what": "unavailable", "text": str(error)}
    except NotExportable as error:
        return {"what": "refused", "text": str(error)}
    except OSError as error:
        return {"what": "failed", "text": f"{folder} could not be written ({error.strerror or error})"}
    return {"what": "exported"}
