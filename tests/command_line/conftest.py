"""A data folder to ask, and how a command is given in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest import mock

import pytest

from bot import cli
from indexer.settings import ModelSettings
from tests.worlds.encoder import Encoder
from tests.worlds.searchable_folder import Folder, write

Said = tuple[int, str, str]
Run = Callable[..., Said]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return write(tmp_path_factory.mktemp("searchable"))


@pytest.fixture
def run(folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Gives a command in the folder, with the small stand-in for the model."""
    monkeypatch.chdir(folder.root)
    for name in ("AFTERIMAGE_CONFIG", "AFTERIMAGE_DATA_DIR", "NO_COLOR", "TMUX", "STY"):
        monkeypatch.delenv(name, raising=False)

    @asynccontextmanager
    async def opened(
        settings: ModelSettings, faults: object = None, *, data_dir: Path, wake: bool = True
    ) -> AsyncIterator[Encoder]:
        yield Encoder()

    def give(*arguments: str) -> Said:
        capsys.readouterr()
        code = cli.main(list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    with (
        mock.patch("indexer.service.open_encoder", opened),
        mock.patch("indexer.read_only_search.open_encoder", opened),
        mock.patch("bot.command_line.model_here.open_encoder", opened),
    ):
        yield give
