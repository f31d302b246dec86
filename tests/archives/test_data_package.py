"""Discord's own data package: one's own messages, in a folder or the .zip that Discord sends."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from indexer.archives.export import ExportArchive
from indexer.records.ids import ChannelId, GuildId, UserId
from indexer.records.messages import ChannelKind
from tests.worlds.exports import document, message, opened, reasons

LINK = "https://cdn.discordapp.com/attachments/11/22/cat.png"
NOTES = "https://cdn.discordapp.com/attachments/11/23/notes.txt"
SIGNED = "https://cdn.discordapp.com/attachments/11/24/cat.png?ex=1&is=1&hm=1"


def row(number: int, content: str, attachments: str) -> dict[str, Any]:
    return {
        "ID": 866666666666666666 + 1000 * number,
        "Timestamp": f"2021-07-19 13:03:5{number}",
        "Contents": content,
        "Attachments": attachments,
    }


ROWS = [row(0, 'look, a "cat"\nand more', f"{LINK} {NOTES}"), row(1, "", SIGNED), row(2, "only words", "")]
USER = {"id": "128178626683338752", "username": "ada", "global_name": "Ada", "email": "ada@example.com"}


def package(*, as_csv: bool = False, account: str = "account") -> dict[str, bytes]:
    """The files of a package, by their names."""
    server = {"id": "381", "type": 0, "name": "photos", "guild": {"id": "813", "name": "Lower Wickham"}}
    files: dict[str, Any] = {
        f"{account}/user.json": USER,
        "activity/analytics/events-2024.json": {"event_type": "app_opened"},
        "servers/index.json": {"813": "Lower Wickham"},
        "messages/index.json": {"381": "photos in Lower Wickham", "382": "Direct Message with bo#0", "383": None},
        "messages/c381/channel.json": server,
        "messages/c382/channel.json": {"id": "382", "type": "DM", "recipients": ["1", "2"]},
        "messages/c382/messages.json": [{**ROWS[2], "ID": 866666666666669666}],
        "messages/c383/channel.json": {"id": "383", "type": 11},
        "messages/c383/messages.json": [],
    }
    data = {name: json.dumps(content).encode() for name, content in files.items()}
    if as_csv:
        lines = [f'{row["ID"]},{row["Timestamp"]},"{_doubled(row["Contents"])}",{row["Attachments"]}' for row in ROWS]
        data["messages/c381/messages.csv"] = "\r\n".join(["ID,Timestamp,Contents,Attachments", *lines, ""]).encode()
    else:
        data["messages/c381/messages.json"] = json.dumps(ROWS).encode()
    return data


def _doubled(text: str) -> str:
    return text.replace('"', '""')


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def zipped(file: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return file


async def check(archive: ExportArchive) -> None:
    assert reasons(archive) == []
    assert {guild.id: guild.name for guild in archive.survey.guilds.values()} == {
        GuildId(813): "Lower Wickham",
        GuildId(0): "Direct messages",
    }
    names = {channel.id: (channel.name, channel.kind) for channel in archive.survey.channels.values()}
    assert names == {
        ChannelId(381): ("photos", ChannelKind.TEXT),
        ChannelId(382): ("Direct Message with bo#0", ChannelKind.TEXT),
        ChannelId(383): ("383", ChannelKind.PUBLIC_THREAD),
    }
    last, second, first = await archive.page(ChannelId(381))
    assert {found.author_id for found in (last, second, first)} == {UserId(128178626683338752)}
    assert (first.author_name, first.content) == ("Ada", 'look, a "cat"\nand more')
    assert [picture.link for picture in first.pictures] == [LINK]
    assert (second.pictures[0].link, second.pictures[0].file_name) == (LINK.replace("22", "24"), "cat.png")
    assert last.pictures == ()
    counts = archive.survey.counts[GuildId(813)]
    assert (counts.messages, counts.pictures, counts.dead) == (3, 2, 2)
    assert [found.content for found in await archive.page(ChannelId(382))] == ["only words"]


@pytest.mark.parametrize("as_csv", [False, True], ids=["json", "csv"])
async def test_a_package_comes_in_from_a_folder_and_from_its_zip(tmp_path: Path, as_csv: bool) -> None:
    files = package(as_csv=as_csv, account="Account")
    await check(opened(written(tmp_path / "package", files)))
    await check(opened(zipped(tmp_path / "package.zip", files)))


async def test_an_export_beside_a_package_is_read_too(tmp_path: Path) -> None:
    folder = written(tmp_path / "all", package() | {"photos.json": document([message(1)])})
    archive = opened(folder)
    assert reasons(archive) == []
    assert archive.survey.documents == 4


def test_a_package_that_does_not_say_whose_it_is_stays_out(tmp_path: Path) -> None:
    """Whoever opted out must stay out: without the account nobody knows who wrote."""
    files = package()
    del files["account/user.json"]
    archive = opened(written(tmp_path / "package", files))
    assert archive.survey.documents == 0
    assert set(reasons(archive)) == {"archive-no-account"}


async def test_what_is_damaged_costs_itself_alone(tmp_path: Path) -> None:
    files = package()
    rows = json.dumps(ROWS).replace('"ID": 866666666666667666', '"ID": "no id"').encode()
    files["messages/c381/messages.json"] = rows[: rows.index(b"only words")]
    files["messages/c382/messages.json"] = b"no JSON"
    files["messages/c383/channel.json"] = b"{"
    archive = opened(written(tmp_path / "package", files))
    assert [found.id for found in await archive.page(ChannelId(381))] == [ROWS[0]["ID"]]
    assert reasons(archive) == [
        "archive-bad-message", "archive-cut-off", "archive-no-package", "archive-no-package",
    ]  # fmt: skip
    offset = archive.problems.kept[0].offset
    assert offset is not None
    assert rows[offset:].startswith(b'{"ID": "no id"')


def test_a_line_of_csv_that_is_none_is_named(tmp_path: Path) -> None:
    files = package(as_csv=True)
    files["messages/c381/messages.csv"] += b"no id,,,\r\n"
    archive = opened(written(tmp_path / "package", files))
    assert [(problem.offset, problem.reason.key) for problem in archive.problems.kept] == [(6, "archive-bad-message")]
    files["messages/c381/messages.csv"] = b"Name,Age\r\n"
    assert reasons(opened(written(tmp_path / "other", files))) == ["archive-no-package"]


def test_ids_of_collections_are_refused(tmp_path: Path) -> None:
    files = package()
    files["messages/c381/messages.json"] = json.dumps([{**ROWS[0], "ID": 1 << 62}]).encode()
    files["messages/c382/channel.json"] = json.dumps({"id": str(1 << 62), "type": 1}).encode()
    archive = opened(written(tmp_path / "package", files))
    assert reasons(archive) == ["archive-bad-id", "archive-bad-id"]
