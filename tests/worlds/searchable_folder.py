"""A data folder that an export was imported into: what the commands that read an index are tested on.

Pictures 0–5, of which number 0 was posted three times; one message has what a spreadsheet would calculate with and a
terminal would act on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from bot.app import operations
from bot.config.tables import Config
from bot.control.server import open_control
from indexer.archives.export import open_export
from indexer.archives.export_options import export_options
from indexer.imports.archive_import import import_guild, note_origin
from indexer.imports.archive_opener import open_archive
from indexer.ports import Reranker
from indexer.search.dual_reranker import DualReranker
from indexer.service import Service, open_service
from indexer.settings import DecodeSettings, RerankSettings, Settings
from tests.worlds.encoder import Encoder
from tests.worlds.exports import document, picture_message
from tests.worlds.picture_files import picture

FILES = "photos.json_Files"
GUILD_NAME = "Lower Wickham"
NASTY = '=HYPERLINK("http://evil.example","click")\x1b[31m <script>alert(1)</script> &amp;'
# Which picture each message shows, and what it says.
POSTS = [
    (0, "the red bicycle again"),
    (1, "a walk by the river"),
    (2, NASTY),
    (0, "the red bicycle once more"),
    (3, "nothing else here"),
    (4, "evening light"),
    (5, "-2+3 is a formula"),
    (0, "bicycle, the third time"),
]


@dataclass(frozen=True, slots=True)
class Folder:
    """`root` has config.toml, the export, and the data folder."""

    root: Path

    @property
    def settings(self) -> Settings:
        return Settings(data_dir=self.root / "data", decode=DecodeSettings(workers=1))

    def file(self, number: int) -> Path:
        """The saved file of the first message that shows picture `number`."""
        first = next(at for at, (shown, _) in enumerate(POSTS) if shown == number)
        return self.root / "export" / FILES / f"file-{first}.png"


def write(root: Path, own: Mapping[int, bytes] = MappingProxyType({})) -> Folder:
    """Writes the export and imports it. `own`: files that take the place of the pictures with these numbers."""
    saved = root / "export" / FILES
    saved.mkdir(parents=True)
    for at, (number, _) in enumerate(POSTS):
        (saved / f"file-{at}.png").write_bytes(own.get(number) or picture(number))
    listed = [picture_message(at, f"{FILES}/file-{at}.png", content=said) for at, (_, said) in enumerate(POSTS)]
    (root / "export" / "photos.json").write_bytes(document(listed, guild={"name": GUILD_NAME}))
    (root / "config.toml").write_text('data_dir = "data"\n[decode]\nworkers = 1\n')
    folder = Folder(root)
    asyncio.run(_imported(folder))
    return folder


async def _imported(folder: Folder) -> None:
    async with _service(folder.settings) as service:
        archive = await asyncio.to_thread(open_export, folder.root / "export", export_options(service.settings), ())
        origin = await note_origin(service, archive)
        (guild,) = archive.index.survey.guilds.values()
        await import_guild(service, archive, origin, guild)


@asynccontextmanager
async def _service(settings: Settings) -> AsyncIterator[Service]:
    opens = partial(open_archive, settings)
    async with open_service(settings, None, Encoder(), open_archive=opens, open_reranker=second_model) as service:
        yield service


@asynccontextmanager
async def second_model() -> AsyncIterator[Reranker]:
    """Another model than the first, for `rerank.kind`: it sees more pixels, and makes other vectors of them."""
    yield DualReranker(Encoder(dimension=16, size=24))


@asynccontextmanager
async def running_bot(folder: Folder, rerank: RerankSettings | None = None) -> AsyncIterator[Service]:
    """What answers commands while a bot runs: the service and its socket, without a connection to Discord."""
    settings = replace(folder.settings, rerank=rerank or RerankSettings())
    async with _service(settings) as service:
        handlers = operations(Config(settings=settings), service)
        async with open_control(settings.data_dir, handlers, 5.0, attached_bytes=settings.fetch.max_download_bytes):
            yield service
