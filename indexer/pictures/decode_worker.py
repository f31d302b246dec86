"""One decode worker: a process that reads pictures from its standard input and writes squares to its standard output.

It imports only Pillow and numpy beside the standard library, so that it starts fast and stays small. Everything that
decoding may need is imported before the lock-down, because afterwards no file can be opened.
"""

from __future__ import annotations

import codecs
import copy  # noqa: F401 -- Pillow's reader of GIF imports it in the middle of a picture
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any, BinaryIO

from PIL import (
    AvifImagePlugin,
    Image,
    ImageColor,  # noqa: F401 -- functions of PIL.Image import it when they are called
    ImageFilter,  # noqa: F401 -- likewise
    MpoImagePlugin,  # noqa: F401 -- the JPEG reader imports it for pictures of several frames
    TiffImagePlugin,  # noqa: F401 -- reading EXIF imports it
    WebPImagePlugin,  # noqa: F401 -- registers the format, which Image.open would import too late
)

from indexer.errors import Reason, Rejected
from indexer.geometry.compare import copy_of, shows_something
from indexer.pictures import extras
from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.pictures.decode_protocol import ANSWER, CANNOT_START, REQUEST
from indexer.pictures.lockdown.apply import lock_down
from indexer.platforms.processes import limit_processor_time, lower_priority
from indexer.records.picture_header import header_of
from indexer.records.pictures import PixelSpec, ResizeMode

_SMALLEST = PixelSpec(64)  # of two pictures that are compared nobody looks at what a model would see


def answer_to(data: bytes, spec: PixelSpec, limits: Limits) -> tuple[bytes, list[bytes]]:
    """The JSON header for one file, and the bytes of the frames and of the thumbnail."""
    try:
        picture = decode_picture(data, spec, limits)
    except Rejected as rejected:
        return json.dumps({"reason": rejected.reason, "detail": rejected.detail}).encode(), []
    pixels = [*picture.frames, *([] if picture.thumbnail is None else [picture.thumbnail])]
    return json.dumps(header_of(picture)).encode(), [part.tobytes() for part in pixels]


def compared(question: bytes, candidate: bytes, limits: Limits) -> bytes:
    """The JSON header that says whether the pictures of two files are copies of each other."""
    try:
        pictures = [decode_picture(data, _SMALLEST, replace(limits, thumbnail=True)) for data in (question, candidate)]
    except Rejected as rejected:
        return json.dumps({"reason": rejected.reason, "detail": rejected.detail}).encode()
    first, second = (picture.thumbnail for picture in pictures)
    assert first is not None, "it was asked for"
    assert second is not None, "it was asked for"
    if not (shows_something(first) and shows_something(second)):
        return json.dumps({"reason": Reason.UNSUPPORTED, "detail": "too small or too plain to be compared"}).encode()
    found = copy_of(first, second)
    return json.dumps({"copy": None if found is None else asdict(found)}).encode()


def serve(requests: BinaryIO, answers: BinaryIO, spec: PixelSpec, limits: Limits) -> None:
    """Answers requests until the end of the input."""
    while head := requests.read(REQUEST.size):
        length, budget_s, thumbnail, second_length = REQUEST.unpack(head)
        data, second = requests.read(length), requests.read(second_length)
        if len(data) < length or len(second) < second_length:
            return
        # The limit is processor time, so that a busy machine does not make a picture too slow. It also ends a worker
        # whose bot has died in the middle of a picture.
        limit_processor_time(budget_s)
        if second:
            header, parts = compared(data, second, limits), list[bytes]()
        else:
            header, parts = answer_to(data, spec, replace(limits, thumbnail=thumbnail))
        limit_processor_time(0)
        del data, second
        answers.write(ANSWER.pack(len(header)))
        answers.write(header)
        for part in parts:
            answers.write(part)
        answers.flush()


def enter(settings: dict[str, Any], load: Callable[[], object] | None = None) -> BinaryIO:
    """Gives up all rights except the pipes, reports this on standard output, and returns the stream for answers.

    A nice value gives workers of indexing less time than those of questions and than the bot itself. `load` loads what
    else is needed; an error of it is reported in place of the lock-down, and ends the process.
    """
    lower_priority(settings["nice"])
    Image.preinit()
    _open_extras(videos=settings.get("videos", False))
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # a worker should use one core
    for codec in ("ascii", "latin-1", "utf-8", "utf-16"):
        codecs.lookup(codec)
    # If a library prints, its output must not get into an answer. So answers go to a copy of standard output, and then
    # standard output becomes standard error.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    if load is not None:
        try:
            load()
        except Exception as error:  # whatever a library raises, whoever runs the bot must read it
            _say(answers, {CANNOT_START: f"{type(error).__name__}: {error}"[:500]})
            raise
    _say(answers, lock_down(settings["memory_bytes"], threads=extras.installed(extras.HEIC)).parts)
    return answers


def _say(answers: BinaryIO, header: Mapping[str, str]) -> None:
    said = json.dumps(header).encode()
    answers.write(ANSWER.pack(len(said)) + said)
    answers.flush()


def _open_extras(*, videos: bool) -> None:
    """Imports the readers that are installed only where somebody asks for them; afterwards none could be loaded."""
    if extras.installed(extras.HEIC):
        import pillow_heif

        pillow_heif.register_heif_opener(decode_threads=1, thumbnails=False, depth_images=False, aux_images=False)
    if extras.installed(extras.RAW):
        import indexer.pictures.decode_raw
    if videos and extras.installed(extras.VIDEO):
        import indexer.pictures.decode_video  # noqa: F401 -- decode_picture needs both when there is no file to be had


def main(arguments: str) -> None:
    """Runs until standard input ends. `arguments` is JSON, written by indexer.pictures.decode_process."""
    settings = json.loads(arguments)
    spec = PixelSpec(settings["size"], ResizeMode(settings["resize_mode"]), settings["interpolation"], settings["fill"])
    limits = Limits(settings["max_pixels"], settings["memory_bytes"], settings["frames"], videos=settings["videos"])
    answers = enter(settings)
    with suppress(BrokenPipeError):  # the bot has ended
        serve(sys.stdin.buffer, answers, spec, limits)
    os._exit(0)  # nothing needs a clean-up, and the interpreter's normal exit takes 20 ms
