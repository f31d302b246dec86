"""Readers that are installed only where somebody asks for them: which of them this Python has. Imports none of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec


@dataclass(frozen=True, slots=True)
class Extra:
    """`pip install 'afterimage[NAME]'` brings the module. `version` tells the sets of extras apart."""

    name: str
    module: str
    version: int


HEIC = Extra("heic", "pillow_heif", 1_000)
RAW = Extra("raw", "rawpy", 2_000)
VIDEO = Extra("video", "av", 4_000)


@cache
def installed(extra: Extra) -> bool:
    """Whether the extra is there. Looked up once in a process: a locked-down reader can look at no file."""
    return find_spec(extra.module) is not None


def readers_version(own: int) -> int:
    """Of the readers with their extras: what others could not open is tried again where one was added."""
    return own + sum(extra.version for extra in (HEIC, RAW, VIDEO) if installed(extra))
