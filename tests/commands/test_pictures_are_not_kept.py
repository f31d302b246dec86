"""Pictures are not kept: neither indexing nor any answer leaves one in the data folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bot.config.tables import Config
from sandbox.world import File
from tests.worlds.asking import similar
from tests.worlds.running_bot import indexed, noise, town, with_auto_start

STARTS = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff\xe0\x00\x10JFIF",
    b"WEBPVP8",
    b"GIF89a",
)  # of the formats that the bot reads or draws


def uploading(config: Config) -> Config:
    return with_auto_start(replace(config, discord=replace(config.discord, thumbnails="uploaded")))


def pictures_in(folder: Path, files: list[File]) -> set[str]:
    """The files below `folder` that contain a picture: bytes of one that was posted, or the start of any."""
    parts = [*STARTS, *(file.data[at : at + 64] for file in files for at in range(0, len(file.data) - 64, 64))]
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(part in path.read_bytes() for part in parts)
    }


async def test_no_file_of_the_data_folder_contains_a_picture(tmp_path: Path) -> None:
    place = town()
    posted = [noise(at) for at in range(6)]
    async with indexed(place, tmp_path / "data", change=uploading) as bot:
        member = bot.person(place.member)
        reply = await similar(member, place.talk.id, image=posted[3].data)
        assert reply.files()
        assert (await member.press(reply, "Contact sheet")).message.attachments
        assert pictures_in(bot.data_dir, posted) == set()
    assert pictures_in(tmp_path, posted) == set()


def test_a_picture_that_is_kept_is_found(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"somewhere " + noise(1).data[60:140])
    (tmp_path / "drawn").write_bytes(b"before " + STARTS[2] + b" after")
    assert pictures_in(tmp_path, [noise(1)]) == {"kept", "drawn"}
