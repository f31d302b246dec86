"""The process that downloads a model: resumable, checked, into the cache from which open_clip loads it.

The hub's own client begins a file anew when its process was killed. So the weights are fetched here, to a `.part` file
beside the blob that they will be, with a range request for what is missing; a file whose SHA-256 is the hub's becomes
that blob. Then open_clip's own code runs, and finds it. Nothing of it imports
torch: the imports take 0.25 s of a processor and 30 MB, and with transformers for a tokenizer 1.4 s and 66 MB, instead
of 5.7 s and 770 MB.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from indexer.encode.hub_cache import why_damaged
from indexer.encode.weights_table import architecture, pretrained
from indexer.errors import ModelUnavailable
from indexer.platforms.file_lock import let_go, try_lock
from indexer.platforms.files import BINARY, sync_file

PROCESS = "indexer.encode.hub_download"

_SCHEMES = ("https", "http")  # plain HTTP: a mirror in the house that HF_ENDPOINT names
_CHUNK = 1024 * 1024
_STALL_S = 60.0  # without a byte, after which a connection counts as broken
_TRIES = 5  # in a row without a byte more
_AGAIN_S = 1.0
_TELL_S = 1.0
# In open_clip's own order; the last one is for models that came before safetensors.
_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")


class Broken(Exception):
    """The download cannot go on: says why."""


def main(arguments: str) -> None:
    """`arguments` is JSON: which model, and whether `offline`. Says one JSON object a line on standard output, as
    `answer` does. Ends with its standard input, whatever it is doing; what came stays."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    sys.modules["torch"] = None  # type: ignore[assignment]  # so transformers does without; its import takes seconds
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer

    def say(**values: Any) -> None:
        answers.write(json.dumps(values) + "\n")
        answers.flush()

    answer(json.loads(arguments), say)
    os._exit(0)


def answer(given: dict[str, Any], say: Callable[..., None]) -> None:
    """Has the model's files in the cache. Says `progress`, then `done` with the files, or `error`."""
    try:
        files = _fetch(given["name"], given["pretrained"], given["cache_dir"], offline=given["offline"], say=say)
        damaged = [text for path in files if (text := why_damaged(path))]
        if damaged and not given["offline"]:
            raise Broken("; ".join(damaged))
    except (Broken, ModelUnavailable, OSError) as error:
        say(error=str(error))
    else:
        say(done={"files": [str(path) for path in files], "damaged": damaged})


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def _fetch(name: str, tag: str, cache_dir: str | None, *, offline: bool, say: Callable[..., None]) -> list[Path]:
    """Every file of the model in the cache. Raises Broken, ModelUnavailable."""
    from huggingface_hub import constants

    from indexer.encode.on_torch.hub import bounded_network

    if offline:
        constants.HF_HUB_OFFLINE = True
    open_clip = pretrained()
    source = open_clip.get_pretrained_cfg(name, tag)
    if not source:
        raise Broken(f"open_clip knows no weights {tag!r} of {name}")
    tokenizer = architecture(name).get("text_cfg", {}).get("hf_tokenizer_name")
    with bounded_network(needed=not offline) as unreachable:
        try:
            repository = str(source.get("hf_hub") or "").rpartition("/")
            if repository[0] and not unreachable:
                _seed(repository[0], repository[2], cache_dir, say)
            weights = Path(open_clip.download_pretrained(source, cache_dir=cache_dir))
            if tokenizer:  # else it is part of open_clip
                say(progress=f"{name}: the tokenizer")
                _fetch_tokenizer(tokenizer, cache_dir)
        except Broken:
            raise
        except Exception as error:  # the hub, open_clip and transformers share no error type
            reason = unreachable or (str(error).strip() or type(error).__name__).splitlines()[0][:300]
            raise Broken(f"{name} ({tag}) could not be had: {reason}") from error
    return [weights, *(_tokenizer_files(tokenizer, weights, cache_dir) if tokenizer else ())]


def _fetch_tokenizer(repository: str, cache_dir: str | None) -> None:
    """As open_clip will read it, by transformers."""
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(repository, cache_dir=cache_dir)


def _tokenizer_files(repository: str, weights: Path, cache_dir: str | None) -> list[Path]:
    """What the tokenizer's repository holds beside weights."""
    from huggingface_hub import constants

    folder = Path(cache_dir or constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}" / "snapshots"
    return sorted(path for path in folder.glob("*/*") if path.is_file() and path != weights)


def _seed(repository: str, file: str, cache_dir: str | None, say: Callable[..., None]) -> None:
    """Puts the weights into the cache as its client would. Raises Broken."""
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # missing in its __all__

    for name in (file,) if file else _WEIGHTS:
        try:
            found = get_hf_file_metadata(hf_hub_url(repository, name), timeout=_STALL_S)
        except EntryNotFoundError:
            continue
        blobs = Path(cache_dir or constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}" / "blobs"
        if found.etag and len(found.etag) == hashlib.sha256().digest_size * 2 and found.size:
            blobs.mkdir(parents=True, exist_ok=True)
            # The location may be another host's, and is signed: it is not shown who asks.
            headers = {key: value for key, value in build_hf_headers().items() if key != "authorization"}
            fetch_blob(found.location, blobs / found.etag, found.size, f"{repository}/{name}", say, headers)
        return  # a file without a checksum is left to the hub's own client


def fetch_blob(
    address: str,
    blob: Path,
    size: int,
    name: str,
    say: Callable[..., None],
    headers: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Downloads `size` bytes whose SHA-256 is the name of `blob`, going on where an earlier try ended.

    Raises Broken where no bytes come any more, others than the hub promised, or where another process downloads it; and
    for an address that is not of the web: urllib would open `file:` and `ftp:` too.
    """
    scheme = urlsplit(address).scheme
    if scheme not in _SCHEMES:
        raise Broken(f"{name}: the hub names a place that is not of the web ({scheme or 'no scheme'}); it is not read")
    if blob.exists() and blob.stat().st_size == size:
        return
    part = blob.with_name(f"{blob.name}.afterimage.part")
    handle = os.open(part, os.O_RDWR | os.O_CREAT | BINARY, 0o600)
    try:
        try_lock(handle)
    except BlockingIOError as error:
        os.close(handle)
        raise Broken(f"{name}: another process downloads it; wait for that one") from error
    try:
        _complete(address, part, size, name, say, headers)
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != blob.name:
            part.unlink()
            raise Broken(
                f"{name}: what came is not what the hub has (checksum {digest[:12]}…). Give the command again."
            )
        sync_file(part)
    finally:
        let_go(handle)
    part.replace(blob)


def _complete(
    address: str, part: Path, size: int, name: str, say: Callable[..., None], headers: Mapping[str, str]
) -> None:
    tries, told_s = 0, 0.0
    while (there := part.stat().st_size) != size:
        if there > size:
            os.truncate(part, 0)
            there = 0
        try:
            with part.open("ab") as file:
                for chunk in _bytes_from(address, there, size, headers):
                    file.write(chunk)
                    there += len(chunk)
                    tries = 0
                    if time.monotonic() - told_s > _TELL_S:
                        told_s = time.monotonic()
                        say(progress=f"{name}: {there / 1e6:,.0f} of {size / 1e6:,.0f} MB")
        except (OSError, HTTPException) as error:
            tries += 1
            if tries >= _TRIES:
                raise Broken(
                    f"{name}: {there:,} of {size:,} bytes came, then the connection broke {tries} times ({error}). "
                    "Give the command again: it goes on where it ended."
                ) from error
            time.sleep(_AGAIN_S * tries)


def _web() -> urllib.request.OpenerDirector:
    """Opens the web and nothing else. urllib's own opener knows `file:`, `ftp:` and `data:`, and follows a redirect to
    `ftp:`.
    """
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.HTTPRedirectHandler,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


def _bytes_from(address: str, start: int, size: int, headers: Mapping[str, str]) -> Iterator[bytes]:
    """The file's bytes from `start` on. Of a server that knows no ranges, those before are read and dropped."""
    wanted = {**headers, "Range": f"bytes={start}-", "Accept-Encoding": "identity"}
    request = urllib.request.Request(address, headers=wanted)  # noqa: S310 -- _web opens no other schemes
    with _web().open(request, timeout=_STALL_S) as response:
        skip = start if response.status == 200 else 0
        left = size - start
        while left > 0:
            chunk = response.read(min(_CHUNK, left + skip))
            if not chunk:
                raise OSError("it ended early")
            chunk, skip = chunk[skip:], max(skip - len(chunk), 0)
            left -= len(chunk)
            if chunk:
                yield chunk
