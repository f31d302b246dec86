"""`--preview`: pictures in the terminal. kitty's, iTerm2's and sixel graphics where they are known, else half blocks.

The pictures are small copies that the picture readers have made: nothing from outside reaches the terminal.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
from PIL import Image
from rich.color import Color
from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style

from bot.command_line.hit_text import Json, footer, hit_lines
from bot.command_line.sheet import decoded
from bot.observability import terminal
from indexer.records.pictures import Pixels

Way = Literal["kitty", "iterm2", "sixel", "blocks"]

COLUMNS = 32  # of a picture of half blocks: two pixels a line
_CHUNK = 4_096  # characters of base64 in one sequence, by kitty's protocol
_COLOURS = 64  # of a sixel picture
_RAMP = " .:-=+*#%@"  # from dark to light, where no colours are wanted


def show_pictures(found: Json, wanted: str, explain: bool) -> None:
    """Each hit's picture, then its lines. `wanted`: a way, or auto."""
    way = way_of(os.environ) if wanted == "auto" else wanted
    for rank, hit in enumerate(found["hits"], start=1):
        pixels = decoded(hit.get("picture"))
        if pixels is None:
            terminal.say("     (this picture cannot be had here, or is a spoiler)")
        elif way == "blocks":
            Console(highlight=False).print(blocks(pixels, plain="NO_COLOR" in os.environ), end="")
        else:
            terminal.draw("".join(_SEQUENCES[way](pixels)) + "\n")
        terminal.say("\n".join(hit_lines(rank, hit, terminal.columns(), explain)))
    if "searched" in found:
        terminal.say("\n".join([*([] if found["hits"] else ["nothing close enough"]), *footer(found, explain=explain)]))


def way_of(environ: Mapping[str, str]) -> Way:
    """What this terminal can, as far as its environment tells. Within tmux and screen: half blocks."""
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "")
    if environ.get("TMUX") or environ.get("STY"):
        return "blocks"
    if "KITTY_WINDOW_ID" in environ or term in ("xterm-kitty", "xterm-ghostty") or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm") or environ.get("LC_TERMINAL") == "iTerm2":
        return "iterm2"
    if "sixel" in term or term.split("-")[0] in ("foot", "mlterm", "yaft", "contour"):
        return "sixel"
    return "blocks"


def kitty(pixels: Pixels) -> Iterator[str]:
    """The picture as PNG in chunks: https://sw.kovidgoyal.net/kitty/graphics-protocol/"""
    data = base64.b64encode(_png(pixels)).decode()
    for start in range(0, len(data), _CHUNK):
        more = int(start + _CHUNK < len(data))
        keys = f"a=T,f=100,q=2,m={more}" if not start else f"m={more}"
        yield f"\x1b_G{keys};{data[start : start + _CHUNK]}\x1b\\"


def iterm2(pixels: Pixels) -> Iterator[str]:
    """The picture as a file inside of one sequence: https://iterm2.com/documentation-images.html"""
    data = _png(pixels)
    yield f"\x1b]1337;File=inline=1;size={len(data)}:{base64.b64encode(data).decode()}\x07"


def sixel(pixels: Pixels) -> Iterator[str]:
    """The picture in DEC's sixels: bands of six rows, in each a line a colour."""
    image = Image.fromarray(pixels).quantize(_COLOURS)
    shown = np.asarray(image)
    palette = np.asarray(image.getpalette("RGB"), np.uint16).reshape(-1, 3) * 100 // 255
    height, width = shown.shape
    yield f'\x1bPq"1;1;{width};{height}'
    for number in np.unique(shown).tolist():
        red, green, blue = palette[number].tolist()
        yield f"#{number};2;{red};{green};{blue}"
    weights = np.array([1, 2, 4, 8, 16, 32])
    for top in range(0, height, 6):
        band = shown[top : top + 6]
        for number in np.unique(band).tolist():
            bits = ((band == number) * weights[: len(band), None]).sum(axis=0)
            yield f"#{number}{_runs(bits.tolist())}$"
        yield "-"
    yield "\x1b\\"


def _runs(bits: list[int]) -> str:
    """Sixel characters, repeated ones as a count."""
    text, start = [], 0
    for at in range(1, len(bits) + 1):
        if at == len(bits) or bits[at] != bits[start]:
            count, character = at - start, chr(63 + bits[start])
            text.append(f"!{count}{character}" if count > 3 else character * count)
            start = at
    return "".join(text)


def blocks(pixels: Pixels, *, plain: bool) -> Segments:
    """Half blocks, each the colours of two pixels; `plain`: characters from dark to light, without colours."""
    image = Image.fromarray(pixels)
    rows = max(round(COLUMNS * image.height / image.width / 2), 1)
    segments: list[Segment] = []
    if plain:
        shades = np.asarray(image.convert("L").resize((COLUMNS, rows)), np.uint16) * len(_RAMP) // 256
        lines = ("".join(_RAMP[shade] for shade in row) for row in shades.tolist())
        return Segments([Segment(f"     {line}\n") for line in lines])
    shown = np.asarray(image.resize((COLUMNS, 2 * rows))).tolist()
    for upper, lower in zip(shown[::2], shown[1::2], strict=True):
        segments.append(Segment("     "))
        segments += [
            Segment("▀", Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below)))
            for above, below in zip(upper, lower, strict=True)
        ]
        segments.append(Segment("\n"))
    return Segments(segments)


def _png(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


_SEQUENCES = {"kitty": kitty, "iterm2": iterm2, "sixel": sixel}
