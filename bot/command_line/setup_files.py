"""The files that `afterimage setup` writes: all of them or none, whatever interrupts it."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.config.loader import is_mounted_secret
from bot.config.values import Secret, written
from indexer.errors import ConfigError
from indexer.platforms.files import BINARY


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to be written, with its permissions. Where one is there, `keep` names what it becomes; None: it goes."""

    path: Path
    text: str
    mode: int
    keep: Path | None = None


def config_text(token_file: str | None, model: str, model_folder: Path | None, *, read: bool) -> str:
    """config.toml. `token_file` is as the file is to name it; None where the environment has the token."""
    lines = ["# Written by `afterimage setup`. `afterimage check-config --example` shows every key there is."]
    if token_file is not None:
        lines += ["", "[discord]", f"token_file = {written(token_file)}"]
    lines += ["", "[model]"]
    lines.append(f"name = {written(model)}" if model_folder is None else f"folder = {written(model_folder.absolute())}")
    if read:
        lines += ["", "[crawl]", 'start = "auto"']
    return "\n".join(lines) + "\n"


def config_file(path: Path, text: str) -> NewFile:
    """What a person wrote into the configuration before is kept beside it."""
    return NewFile(path, text, 0o644, path.with_name(f"{path.name}.old"))


def secret_file(path: Path, token: Secret) -> NewFile:
    return NewFile(path, token.reveal() + "\n", 0o600)


def write_all(files: Sequence[NewFile]) -> None:
    """Writes every file, or none. Raises ConfigError where the disk or the folder does not allow it."""
    drafts: list[Path] = []
    try:
        for file in files:
            file.path.parent.mkdir(parents=True, exist_ok=True)
            drafts.append(file.path.with_name(f".{file.path.name}.{os.getpid()}.part"))
            _write(drafts[-1], file)
        with _uninterrupted():
            for file in files:
                if file.keep is not None and file.path.exists():
                    file.path.replace(file.keep)
            for file, draft in zip(files, drafts, strict=True):
                draft.replace(file.path)
    except OSError as error:
        raise ConfigError(
            f"{error.filename}: cannot be written ({error.strerror}); check the folder and its owner"
        ) from error
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)


def replace_unchanged(path: Path, before: str, after: str) -> bool:
    """Writes `after` where the file still holds `before`. False where somebody changed it. Raises as write_all."""
    try:
        if path.read_text("utf-8") != before:
            return False
    except (OSError, UnicodeDecodeError):
        return False
    write_all([NewFile(path, after, 0o644)])
    return True


def close_to_others(path: Path) -> bool:
    """Takes a token's file from everybody but its owner. False where that is done, or not ours to do."""
    if not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) or is_mounted_secret(path):
        return False
    try:
        path.chmod(0o600)
    except OSError:
        return False
    return True


def _write(draft: Path, file: NewFile) -> None:
    """The mode holds from the first byte on: nobody else reads a token between its writing and a later chmod."""
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, file.mode)
    with os.fdopen(handle, "wb") as out:
        out.write(file.text.encode())
        out.flush()
        os.fsync(out.fileno())


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits for the end of the block: the renames take microseconds."""
    asked: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if asked:
            raise KeyboardInterrupt
