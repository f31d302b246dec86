"""A reader of words: a process that reads picture files from its standard input and writes their lines to its standard
output. It alone imports rapidocr, and loads everything before it locks itself down as a decode worker does.

onnxruntime makes no code while it runs, so memory that is both written and executed can be denied.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from indexer.errors import Reason, Rejected
from indexer.picture_texts.ocr.reader_process import REQUEST
from indexer.picture_texts.ocr.spaces import with_spaces
from indexer.picture_texts.reading import MOST_CHARACTERS
from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.pictures.decode_protocol import ANSWER
from indexer.pictures.decode_worker import enter
from indexer.platforms.processes import end_with, limit_processor_time
from indexer.records.pictures import Pixels, PixelSpec

# What a model would see is not looked at.
_SPEC = PixelSpec(64)
# The detection finds letters of some 8 pixels and more: small pictures are enlarged, at most this many times.
_LEAST_SIDE, _MOST_ENLARGED = 640, 2.0
_NO_LIMIT = 1_000_000  # pixels of a side: the picture has its size already


class TextReader:
    """RapidOCR with one thread, without its classifier of lines that stand on their heads."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Loads the models; reads a picture once, so that all that reading imports is there."""
        import cv2
        from rapidocr import EngineType, RapidOCR

        cv2.setNumThreads(1)
        cv2.ocl.setUseOpenCL(False)
        self._limits = Limits(settings["most_opened"], settings["memory_bytes"], copy_pixels=settings["max_pixels"])
        self._engine: Any = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.use_cls": False,
                "Global.text_score": 0.0,
                "Global.max_side_len": _NO_LIMIT,
                "Det.engine_type": EngineType.ONNXRUNTIME,
                "Det.model_path": settings["detection"],
                "Det.limit_type": "max",
                "Det.limit_side_len": _NO_LIMIT,
                "Rec.engine_type": EngineType.ONNXRUNTIME,
                "Rec.model_path": settings["recognition"],
                "Rec.rec_keys_path": settings["keys"],
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )
        self.lines_of(_warm_up())
        recognizer: Any = self._engine.text_rec  # the first picture has made it
        recognizer.postprocess_op = _Spaced(recognizer.postprocess_op)

    def read(self, data: bytes) -> list[tuple[str, float]]:
        """The lines of a file with their confidence, from top to bottom. Raises Rejected."""
        pixels = decode_picture(data, _SPEC, self._limits).thumbnail
        assert pixels is not None, "copy_pixels asks for it"
        try:
            return self.lines_of(pixels)
        except MemoryError as error:
            raise Rejected(Reason.TOO_MUCH_MEMORY, str(error)) from error
        except Exception as error:  # OpenCV and onnxruntime raise types of their own, also for want of memory
            text = f"{type(error).__name__}: {error}"[:300]
            memory = any(word in text.lower() for word in ("alloc", "memory"))
            raise Rejected(Reason.TOO_MUCH_MEMORY if memory else Reason.INTERNAL, text) from error

    def lines_of(self, pixels: Pixels) -> list[tuple[str, float]]:
        """The lines of [height, width, 3] RGB."""
        found = self._engine(np.ascontiguousarray(_enlarged(pixels)[:, :, ::-1]))
        if not found.txts:
            return []
        lines, left = [], MOST_CHARACTERS
        for text, confidence in zip(found.txts, found.scores, strict=True):
            if text and left > 0:
                lines.append((text[:left], min(max(float(confidence), 0.0), 1.0)))
                left -= len(text)
        return lines


class _Spaced:
    """What makes a text of what the recognition sees, after spaces were added."""

    def __init__(self, decode: Any) -> None:
        self._decode = decode
        self._space = decode.dict[" "]

    def __call__(self, chances: Any, *more: Any, **named: Any) -> Any:
        return self._decode(with_spaces(chances, self._space), *more, **named)


def _enlarged(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    factor = min(_LEAST_SIDE / min(height, width), _MOST_ENLARGED)
    if factor <= 1:
        return pixels
    size = (round(width * factor), round(height * factor))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def _warm_up() -> Pixels:
    image = Image.new("RGB", (320, 96), "white")
    ImageDraw.Draw(image).text((20, 20), "Words 123", fill="black", font=ImageFont.load_default(48))
    return np.asarray(image)


def serve(requests: BinaryIO, answers: BinaryIO, reader: TextReader) -> None:
    """Answers requests until the end of the input."""
    while head := requests.read(REQUEST.size):
        length, budget_s = REQUEST.unpack(head)
        data = requests.read(length)
        if len(data) < length:
            return
        limit_processor_time(budget_s)
        try:
            header: dict[str, object] = {"lines": reader.read(data)}
        except Rejected as rejected:
            header = {"reason": rejected.reason, "detail": rejected.detail}
        limit_processor_time(0)
        said = json.dumps(header).encode()
        answers.write(ANSWER.pack(len(said)) + said)
        answers.flush()


def main(arguments: str) -> None:
    """Runs until standard input ends. `arguments` is JSON, written by reader_process.py."""
    settings = json.loads(arguments)
    end_with(settings["parent"])
    loaded: list[TextReader] = []
    answers = enter(settings, lambda: loaded.append(TextReader(settings)))
    with suppress(BrokenPipeError):  # the bot has ended
        serve(sys.stdin.buffer, answers, loaded[0])
    os._exit(0)  # as of a decode worker
