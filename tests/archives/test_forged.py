"""Files that somebody has made to do harm: each costs itself alone, and opening an archive never raises."""

from __future__ import annotations

import os
import sqlite3
import struct
import sys
import zipfile
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from indexer.archives.exif import read_exif
from indexer.archives.message_stream import MESSAGE_BYTES
from indexer.records.exif import Exif
from indexer.records.ids import ChannelId
from tests.archives.test_data_package import ROWS, package, written
from tests.archives.test_tracker_file import FIRST, SCHEMA, tracker
from tests.worlds.exports import CHANNEL, document, message, opened, reasons

HUGE = "9" * 30  # no number of 64 bits
BROKEN = "http://[not-an-address/cat.png"  # urllib raises ValueError for it
PROXIED = "https://images-ext-1.discordapp.net/external/KEY/https/%5Bnot-an-address/cat.png"


def embed(**image: Any) -> dict[str, Any]:
    return {"title": "", "image": image}


@pytest.mark.parametrize(
    "fields",
    [
        {"author": {"id": HUGE, "name": "ada"}},
        {"attachments": [{"id": "1", "url": "cat.png", "fileName": "cat.png", "fileSizeBytes": int(HUGE)}]},
        {"embeds": [embed(url="https://elsewhere.example/cat.png", width=int(HUGE), height=1)]},
    ],
    ids=["author", "size", "width"],
)
async def test_a_number_that_no_database_can_store_is_told(tmp_path: Path, fields: dict[str, Any]) -> None:
    (tmp_path / "photos.json").write_bytes(document([message(0), message(1, **fields), message(2)]))
    archive = opened(tmp_path)
    assert reasons(archive) == ["archive-bad-message"]
    assert [found.content for found in await archive.page(ChannelId(CHANNEL))] == ["message 2", "message 0"]


@pytest.mark.parametrize("url", [BROKEN, PROXIED])
async def test_an_address_that_is_none_costs_its_picture_at_most(tmp_path: Path, url: str) -> None:
    (tmp_path / "photos.json").write_bytes(document([message(0), message(1, embeds=[embed(url=url)])]))
    archive = opened(tmp_path)
    assert len(await archive.page(ChannelId(CHANNEL))) == 2
    files = package()
    files["messages/c381/messages.json"] = files["messages/c381/messages.json"].replace(b"https://", b"http://[")
    archive = opened(written(tmp_path / "package", files))
    assert reasons(archive) == []
    assert len(await archive.page(ChannelId(381))) == len(ROWS)


@pytest.mark.parametrize("as_csv", [False, True], ids=["json", "csv"])
async def test_an_id_of_a_package_that_is_too_large_is_told(tmp_path: Path, as_csv: bool) -> None:
    files = package(as_csv=as_csv)
    name = f"messages/c381/messages.{'csv' if as_csv else 'json'}"
    files[name] = files[name].replace(str(ROWS[1]["ID"]).encode(), HUGE.encode())
    archive = opened(written(tmp_path / "package", files))
    assert reasons(archive) == ["archive-bad-id" if as_csv else "archive-bad-message"]
    assert [found.id for found in await archive.page(ChannelId(381))] == [ROWS[2]["ID"], ROWS[0]["ID"]]


def test_a_line_of_csv_without_an_end_is_not_read_into_memory(tmp_path: Path) -> None:
    files = package(as_csv=True)
    files["messages/c381/messages.csv"] = b"ID,Timestamp,Contents,Attachments\n" + b"x" * (MESSAGE_BYTES + (2 << 20))
    assert reasons(opened(written(tmp_path / "package", files))) == ["archive-no-package"]


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders there")
def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    for name in ("a.json", "b.json.gz", "c.zip", "d.db"):
        if sys.platform != "win32":  # for the types
            os.mkfifo(tmp_path / name)
    (tmp_path / "photos.json").write_bytes(document([message(0)]))
    archive = opened(tmp_path)
    assert (reasons(archive), archive.survey.documents) == ([], 1)


def test_a_member_of_a_zip_may_be_named_by_thousands_of_digits(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as packed:
        for name in ("1" * 5_000, "photos"):
            packed.writestr(f"{name}.json", document([message(0)]))
    archive = opened(tmp_path / "export.zip")
    assert (reasons(archive), archive.survey.documents) == ([], 2)


@pytest.mark.parametrize("where", ["name", "content"])
def test_a_damaged_zip_is_told_and_the_other_documents_are_read(tmp_path: Path, where: str) -> None:
    file = tmp_path / "export.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as packed:
        packed.writestr("größe.json", document([message(number) for number in range(50)]))
    data = file.read_bytes()
    name = "größe".encode()
    if where == "name":
        data = data.replace(name, name.replace("ö".encode(), b"\xc3("))
    else:
        begin = data.index(b".json") + len(b".json") + 20  # behind the coder's own settings
        data = data[:begin] + b"\xff" * 200 + data[begin + 200 :]
    file.write_bytes(data)
    (tmp_path / "photos.json").write_bytes(document([message(0)]))
    archive = opened(tmp_path)
    assert (reasons(archive), archive.survey.documents) == (["archive-unreadable"], 1)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE messages SET sender_id = 'nobody'",
        "UPDATE channels SET id = 'photos'",
        "UPDATE message_embeds SET message_id = 'none'",
        "UPDATE attachments SET size = 'large'",
    ],
)
def test_words_where_numbers_belong_are_refused(tmp_path: Path, change: str) -> None:
    schema = SCHEMA.replace("channels (id INTEGER PRIMARY KEY", "channels (id INTEGER")
    file = tracker(tmp_path / "history.dht", schema=schema)
    with closing(sqlite3.connect(file)) as db, db:
        db.execute(change)
    assert reasons(opened(file)) == ["archive-tracker-forged"]


def test_a_column_that_is_computed_is_refused(tmp_path: Path) -> None:
    computed = "text TEXT GENERATED ALWAYS AS (printf('%.*c', 1000000, 'x'))"
    file = tmp_path / "history.dht"
    with closing(sqlite3.connect(file)) as db, db:
        db.executescript(SCHEMA.replace("text TEXT NOT NULL", computed))
        db.execute("INSERT INTO metadata VALUES ('version', '11')")
    assert reasons(opened(file)) == ["archive-tracker-forged"]


def test_a_join_that_makes_much_of_little_is_stopped(tmp_path: Path) -> None:
    """4,000 times one user's long name: 80 MB out of a file of 2 MB."""
    file = tracker(
        tmp_path / "history.dht", schema=SCHEMA.replace("users (id INTEGER PRIMARY KEY", "users (id INTEGER")
    )
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("DELETE FROM users")
        db.executemany("INSERT INTO users VALUES (1, ?, NULL, NULL, NULL)", [("x" * 20_000,) for _ in range(100)])
        rows = [(FIRST + number, 1, 381, "", 0) for number in range(10, 50)]
        db.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?)", rows)
    assert reasons(opened(file)) == ["archive-tracker-forged"]


def test_an_embed_that_shows_no_address_is_no_reason_to_stop(tmp_path: Path) -> None:
    file = tracker(tmp_path / "history.dht")
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("UPDATE attachments SET normalized_url = ?1, download_url = ?1 WHERE attachment_id = 23", (BROKEN,))
    assert reasons(opened(file)) == []


def box(kind: bytes, inside: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(inside), kind) + inside


TYPE = box(b"ftyp", b"heic\0\0\0\0")
ITEM = box(b"infe", b"\x02\0\0\0" + struct.pack(">HH4s", 7, 0, b"Exif") + b"\0")
ITEMS = box(b"iinf", b"\0\0\0\0" + struct.pack(">H", 1) + ITEM)
SIDEWAYS = b"II\x2a\x00" + struct.pack("<IHHHII", 8, 1, 0x0112, 3, 1, 6)  # Exif that says orientation 6 alone


def test_a_box_that_claims_more_than_any_memory_says_nothing(tmp_path: Path) -> None:
    """In a real file: what lies in memory already is never asked for more than it has."""
    claims = struct.pack(">I4sQ", 1, b"iinf", 1 << 61)
    places = box(b"iloc", b"\0\0\0\0" + struct.pack(">HH", 0, 0))
    (tmp_path / "a.heic").write_bytes(TYPE + box(b"meta", b"\0\0\0\0" + places + claims))
    with (tmp_path / "a.heic").open("rb") as file:
        assert read_exif(file) == Exif()


def test_items_with_thousands_of_extents_of_no_bytes_are_passed_over() -> None:
    """Ten bytes an item, and 65,535 steps for each, were hours."""
    count = 50_000
    size = len(TYPE) + 8 + 4 + len(ITEMS) + 8 + 8 + 10 * (count + 1)
    entries = struct.pack(">HHIH", 5, 0, 0, 65_535) * count + struct.pack(">HHIH", 7, 0, size, 1)
    places = box(b"iloc", b"\0\0\0\0" + struct.pack(">HH", 4 << 4, count + 1) + entries)
    file = TYPE + box(b"meta", b"\0\0\0\0" + ITEMS + places)
    assert len(file) == size
    assert read_exif(BytesIO(file + struct.pack(">I", 0) + SIDEWAYS)).orientation == 6
