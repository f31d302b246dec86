"""A crawl in a process that can be killed: python -m tests.worlds.crawl_child BASE TOKEN GUILD FOLDER."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from indexer.records.ids import GuildId
from tests.worlds.crawling import logged_in, open_index


@dataclass(frozen=True)
class Told:
    """A sandbox, as the parent process describes it."""

    base_url: str
    token: str

    @property
    def api_base(self) -> str:
        return self.base_url + "/api/v10"

    @property
    def cdn_host(self) -> str:
        return self.base_url.removeprefix("http://")


async def main(base: str, token: str, guild: str, folder: str) -> None:
    told = Told(base, token)
    with pytest.MonkeyPatch.context() as patch:
        async with (
            logged_in(told, patch) as history,
            open_index(told, history, Path(folder), int(guild)) as index,
        ):
            await index.pipeline.run_guild(GuildId(int(guild)))
    print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
