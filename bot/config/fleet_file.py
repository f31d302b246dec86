"""fleet.toml: which process of a bot serves which shards, from which data folder.

config = "config.toml"                 what all processes share; a path is relative to this file
storage = "/srv/fleet"                 an address of fsspec for backups, journal and leases; "" for none
shards = 16                            of the whole bot
[[process]]
name = "a"                             default: its shards
shards = "0-7"
folder = "/var/lib/afterimage/a"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from bot.config.shards import MOST_SHARDS, shard_of, shard_range
from bot.config.values import shown, suggest
from indexer.errors import ConfigError
from indexer.records.ids import MADE_UP, GuildId

_KEYS = ("config", "storage", "shards", "process")
_PROCESS_KEYS = ("name", "shards", "folder")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}", re.ASCII)
_HEADER = re.compile(r"\s*\[\[\s*process\s*\]\]")


@dataclass(frozen=True, slots=True)
class FleetProcess:
    """A process with its data folder; it serves the shards `first` to `last`."""

    name: str
    first: int
    last: int
    folder: Path

    @property
    def ids(self) -> range:
        return range(self.first, self.last + 1)

    @property
    def shards(self) -> str:
        """As the file writes them: "0-7", or "5"."""
        return f"{self.first}-{self.last}" if self.last > self.first else str(self.first)


@dataclass(frozen=True, slots=True)
class FleetFile:
    """What the file at `path` says. Its processes stand in the order of their shards, and serve each shard once."""

    path: Path
    config: Path
    storage: str
    shards: int
    processes: tuple[FleetProcess, ...]

    def of_shard(self, shard: int) -> FleetProcess:
        """Raises ConfigError where the bot has no such shard."""
        for process in self.processes:
            if shard in process.ids:
                return process
        raise ConfigError(f"{self.path}: there is no shard {shard} of {self.shards}: they count from 0.")

    def of_guild(self, guild_id: GuildId) -> FleetProcess | None:
        """Whose shard gets the server's events. None: a folder of pictures, which belongs to whoever has it."""
        return None if guild_id >= MADE_UP else self.of_shard(shard_of(guild_id, self.shards))


def read_fleet(path: Path) -> FleetFile:
    """Raises ConfigError, which says what is wrong in which line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"{path} cannot be read ({reason}).") from error
    return parse_fleet(text, path)


def parse_fleet(text: str, path: Path) -> FleetFile:
    """The content `text` of the file at `path`, whose folder relative paths start from. Raises as `read_fleet`."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:  # names the line
        raise ConfigError(f"{path}: {error}.") from error
    return _Reader(text, path).fleet(found)


@dataclass(frozen=True, slots=True)
class _Reader:
    text: str
    path: Path

    def fleet(self, found: Mapping[str, Any]) -> FleetFile:
        self._known(found, _KEYS, None)
        shards = found.get("shards")
        if isinstance(shards, bool) or not isinstance(shards, int) or not 1 <= shards <= MOST_SHARDS:
            self._wrong(f"shards is {shown(shards)}, but must be a whole number from 1 to {MOST_SHARDS}", "shards")
        processes = found.get("process")
        if not isinstance(processes, list) or not processes or not all(isinstance(one, dict) for one in processes):
            self._wrong("it needs one [[process]] at least, with its shards and its folder", "process")
        read = [self._process(one, number, shards) for number, one in enumerate(processes)]
        self._each_once(read, shards)
        return FleetFile(
            self.path,
            self._folder / (self._text(found, "config", None) or "config.toml"),
            self._text(found, "storage", None),
            shards,
            tuple(sorted(read, key=lambda process: process.first)),
        )

    @property
    def _folder(self) -> Path:
        return self.path.absolute().parent

    def _process(self, found: Mapping[str, Any], number: int, count: int) -> FleetProcess:
        self._known(found, _PROCESS_KEYS, number)
        shards: Any = found.get("shards")
        text = str(shards) if isinstance(shards, int) and not isinstance(shards, bool) else shards
        if not isinstance(text, str) or "/" in text:
            self._wrong(f'shards is {shown(shards)}, but must be some of the bot\'s, as "0-7" or "5"', "shards", number)
        try:
            part = shard_range(f"{text}/{count}")
        except ValueError as error:
            self._wrong(f"shards is {shown(shards)}: {error}", "shards", number)
        name = self._text(found, "name", number) or text.strip()
        if _NAME.fullmatch(name) is None:
            self._wrong(
                f"name is {shown(name)}, but must be at most 60 letters, digits, dots, dashes or underscores",
                "name",
                number,
            )
        folder = self._text(found, "folder", number)
        if not folder:
            self._wrong("a process needs a folder, its data folder", "folder", number)
        return FleetProcess(name, part.first, part.last, Path(self._folder / folder))

    def _each_once(self, processes: list[FleetProcess], count: int) -> None:
        served: dict[int, FleetProcess] = {}
        names: set[str] = set()
        folders: dict[Path, FleetProcess] = {}
        for number, process in enumerate(processes):
            for shard in process.ids:
                other = served.setdefault(shard, process)
                if other is not process:
                    self._wrong(f"shard {shard} is served by {other.name} already", "shards", number)
            if process.name in names:
                self._wrong(f"two processes have the name {process.name}", "name", number)
            names.add(process.name)
            folder = process.folder.resolve()
            for taken, other in folders.items():
                if folder == taken or folder.is_relative_to(taken) or taken.is_relative_to(folder):
                    self._wrong(
                        f"{folder} and the folder of {other.name} are one, or one lies in the other: each process"
                        " needs its own",
                        "folder",
                        number,
                    )
            folders[folder] = process
        missing = [shard for shard in range(count) if shard not in served]
        if missing:
            self._wrong(f"shard {missing[0]} of {count} is served by no process", "shards")

    def _known(self, found: Mapping[str, Any], known: tuple[str, ...], number: int | None) -> None:
        for key in found:
            if key not in known:
                self._wrong(f"{key} is no setting of a fleet{suggest(key, known)}", key, number)

    def _text(self, found: Mapping[str, Any], key: str, number: int | None) -> str:
        value: Any = found.get(key, "")
        if not isinstance(value, str):
            self._wrong(f"{key} is {shown(value)}, but must be a text", key, number)
        return value.strip()

    def _wrong(self, what: str, key: str, number: int | None = None) -> NoReturn:
        raise ConfigError(f"{self.path}, line {self._line(key, number)}: {what}.")

    def _line(self, key: str, number: int | None) -> int:
        """Of the key at the top, or in the process `number` (counting from 0); else of where that begins."""
        place, begins = -1, 1
        for line_number, line in enumerate(self.text.splitlines(), start=1):
            if _HEADER.match(line):
                place += 1
                if place == number or (number is None and key == "process"):
                    begins = line_number
            here = place == (-1 if number is None else number)
            if here and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
                return line_number
        return begins
