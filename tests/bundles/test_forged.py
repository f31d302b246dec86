"""A bundle that is damaged or forged is refused before anything is stored, and the error says what is wrong."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

from indexer.backup.checked_tar import MANIFEST, SUMS
from indexer.bundles import bundle_file
from indexer.bundles.bundle_file import CONTENT, is_bundle
from indexer.database.database import FILE_NAME
from indexer.errors import DiskFull, StorageError
from tests.worlds.bundled import exported, imported, installation, read
from tests.worlds.records import message, picture


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("honest")
    posts = [message(number, picture(str(number))) for number in range(1, 4)]
    data_dir = asyncio.run(installation(folder / "data", read(*posts)))
    exported(data_dir, folder / "x.bundle")
    return folder / "x.bundle"


def pack(file: Path, manifest: dict[str, Any], rows: bytes, *, names: tuple[str, ...] = (CONTENT,)) -> None:
    """Writes a bundle whose checksums are right, as a stranger with our code would."""
    digest = hashlib.sha256(rows).hexdigest()
    if manifest.get("parts") is None:
        manifest["parts"] = [{"name": CONTENT, "byte_count": len(rows), "sha256": digest}]
    head = json.dumps(manifest).encode()
    sums = f"{hashlib.sha256(head).hexdigest()}  {MANIFEST}\n{digest}  {CONTENT}\n".encode()
    with tarfile.open(file, "w") as tar:
        for name, data in ((MANIFEST, head), *((name, rows) for name in names), (SUMS, sums)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def unpack(file: Path) -> tuple[dict[str, Any], bytes]:
    with tarfile.open(file) as tar:
        found = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]  # they are files
    return json.loads(found[MANIFEST]), found[CONTENT]


def with_rows(*statements: str, recount: bool = True, **parameters: bytes) -> Callable[[Path], None]:
    """Rows as no export writes them; whatever counts them is right."""

    def forge(file: Path) -> None:
        manifest, rows = unpack(file)
        path = file.with_suffix(".sqlite3")
        path.write_bytes(rows)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            connection.execute("PRAGMA writable_schema = ON")
            for statement in statements:
                connection.execute(statement, parameters)
            connection.execute("PRAGMA writable_schema = RESET")
            if recount:
                for table in manifest["counts"]:
                    ((manifest["counts"][table],),) = connection.execute(f"SELECT count(*) FROM {table}")
        manifest["parts"] = None
        pack(file, manifest, path.read_bytes())
        path.unlink()

    return forge


def with_manifest(**changes: Any) -> Callable[[Path], None]:
    def forge(file: Path) -> None:
        manifest, rows = unpack(file)
        pack(file, {**manifest, "parts": None, **changes}, rows)

    return forge


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flipped(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def climbing(file: Path) -> None:
    manifest, rows = unpack(file)
    parts = [{"name": "../../etc/passwd", "byte_count": len(rows), "sha256": hashlib.sha256(rows).hexdigest()}]
    pack(file, {**manifest, "parts": parts}, rows, names=("../../etc/passwd",))


def no_database(file: Path) -> None:
    pack(file, {**unpack(file)[0], "parts": None}, b"x" * 9999)


def bomb(file: Path) -> None:
    """16 MB that say that they become a terabyte."""
    manifest, rows = unpack(file)
    parts = [{"name": CONTENT, "byte_count": 1 << 40, "sha256": "0" * 64}]
    pack(file, {**manifest, "parts": parts}, rows)
    file.write_bytes(zstandard.ZstdCompressor().compress(file.read_bytes()))


def endless_name(file: Path) -> None:
    manifest, rows = unpack(file)
    pack(file, {**manifest, "version": "x" * (65 << 20)}, rows)


def endless_header(file: Path) -> None:
    """16 KB that become a header of 64 MB, which tarfile would read into memory."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 64 << 20
    data = header.tobuf(tarfile.USTAR_FORMAT) + bytes(64 << 20)
    file.write_bytes(zstandard.ZstdCompressor().compress(data))


def linked(file: Path) -> None:
    member = tarfile.TarInfo(MANIFEST)
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    file.write_bytes(member.tobuf() + file.read_bytes())


NAN = np.array([np.nan, 0, 0, 0], "<f2").tobytes()
LONG = np.array([3, 0, 0, 0], "<f2").tobytes()
UNIT = np.array([1, 0, 0, 0], "<f2").tobytes()
ONE_FRAME = "INSERT INTO frames SELECT min(embedding_id), 0, 0, :v FROM embeddings"
NO_FRAMES, RENUMBER = "DELETE FROM frames", "UPDATE embeddings SET embedding_id = embedding_id"
EIGHT_FRAMES = [ONE_FRAME.replace("0, 0,", f"{number}, 0,") for number in range(8)]
WRONG: dict[str, tuple[Callable[[Path], None], str]] = {
    "half of it": (cut, "damaged|ends early|missing"),
    "a byte": (flipped, "not the bytes|damaged|size"),
    "a name that climbs out": (climbing, "parts are not those of a bundle"),
    "a bomb": (bomb, "expands far more"),
    "a manifest of 65 MB": (endless_name, "larger than any of ours"),
    "a newer format": (with_manifest(format=2), "newer version"),
    "words for numbers": (with_manifest(created_ms="now"), "manifest cannot be read"),
    "counts that do not fit": (with_manifest(counts={}), "not those that its manifest counts"),
    "a vector that is not a number": (with_rows("UPDATE embeddings SET vector = :v", v=NAN), "not of unit length"),
    "a vector of another length": (with_rows("UPDATE embeddings SET vector = :v", v=LONG), "not of unit length"),
    "a vector of another dimension": (with_rows("UPDATE embeddings SET vector = :v", v=b"\0\0"), "another length"),
    "an embedding of no model": (with_rows(NO_FRAMES, f"{RENUMBER} + (9 << 40)"), "a model"),
    "an embedding of no picture": (with_rows(NO_FRAMES, f"{RENUMBER} + 99"), "a picture"),
    "a frame that is not a number": (with_rows(ONE_FRAME, v=NAN), "not of unit length"),
    "a frame of another dimension": (with_rows(ONE_FRAME, v=b"\0\0"), "another length"),
    "a frame of no embedding": (with_rows("INSERT INTO frames VALUES (7, 0, 0, x'00')"), "not there"),
    "more frames than any setting asks for": (with_rows(*EIGHT_FRAMES, v=UNIT), "more frames"),
    "a place of no message": (with_rows("UPDATE places SET message_id = message_id + 99"), "not there"),
    "a place that shows what is rejected": (
        with_rows("UPDATE pictures SET state = 'rejected', reason = 'corrupt'"), "cannot be searched",
    ),
    "a message of another server": (with_rows("UPDATE messages SET guild_id = 7"), "another server"),
    "a message of no origin": (with_rows("UPDATE messages SET origin_id = 7"), "an origin"),
    "a span of no origin": (with_rows("INSERT INTO spans VALUES (10, 7, 0, 9)"), "an origin"),
    "one picture twice": (with_rows("UPDATE pictures SET sha256 = zeroblob(32)"), "twice"),
    "a kind nobody knows": (with_rows("UPDATE channels SET kind = 'cave'"), "'cave'"),
    "a reason nobody knows": (with_rows("UPDATE places SET state = 'failed', reason = 'ghost'"), "'ghost'"),
    "a text of a kind nobody knows": (
        with_rows("INSERT INTO picture_texts SELECT min(picture_id), 'gossip', 'x', NULL FROM pictures"), "'gossip'",
    ),
    "a text without end": (with_rows("UPDATE messages SET content = hex(zeroblob(500001))"), "CHECK"),
    "an id below zero": (with_rows("UPDATE messages SET message_id = -5 WHERE message_id = 1"), "damaged or forged"),
    "a word where a number belongs": (
        with_rows("UPDATE sqlite_master SET sql = replace(sql, 'checked_ms INTEGER', 'checked_ms ANY') WHERE name ="
                  " 'messages'"), "tables are not those",
    ),
    "a tag that cannot be one": (with_rows("INSERT INTO tags VALUES (1, 0, 'Cat')"), "a tag"),
    "a tag of no place": (with_rows("INSERT INTO tags VALUES (9, 0, 'cat')"), "not there"),
    "a text that is no text": (with_rows("UPDATE messages SET content = CAST(x'ff' AS TEXT)"), "not UTF-8"),
    "half a letter": (with_rows("UPDATE places SET file_name = CAST(x'61c3' AS TEXT)"), "not UTF-8"),
    "a name that is no text": (with_rows("UPDATE channels SET name = CAST(x'eda080' AS TEXT)"), "not UTF-8"),
    "a text without end behind its end": (
        with_rows("UPDATE messages SET content = 'a' || char(0) || hex(zeroblob(9000000)) WHERE message_id = 1"),
        "too big",
    ),
    "a span to the end of all numbers": (
        with_rows("INSERT INTO spans VALUES (10, 0, 0, 9223372036854775807)"), "beyond all ids",
    ),
    "more opt-outs than can come in": (
        with_rows(
            "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n LIMIT 3200)"
            " INSERT INTO guilds SELECT i, '', 0, 0 FROM n",
            "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n LIMIT 3200)"
            " INSERT INTO opt_outs SELECT 0, i, 1 FROM n",
        ),
        "more opt-outs",
    ),
    "more models than any bot has": (
        with_rows("INSERT INTO models WITH RECURSIVE c (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM c LIMIT 100)"
                  " SELECT n, n, 'x', 1, 'x' FROM c"), "101 models",
    ),
    "a property nobody knows": (with_rows("UPDATE places SET flags = 1 << 40"), "a property"),
    "an archive's kind without end": (
        with_rows("INSERT INTO origins VALUES (1, hex(zeroblob(26)), '/e', 'v', '[]')"), "a kind"
    ),
    "a message of a folder of pictures": (
        with_rows("UPDATE messages SET message_id = (1 << 62) + 5 WHERE message_id = 3",
                  "UPDATE places SET message_id = (1 << 62) + 5 WHERE message_id = 3"), "another collection",
    ),
    "a moment that no calendar has": (with_manifest(created_ms=1 << 62), "manifest cannot be read"),
    "a bot with too many digits": (with_manifest(application_id=1 << 63), "manifest cannot be read"),
    "a header without end": (endless_header, "no plain file"),
    "a link": (linked, "no plain file"),
    "a trigger": (
        with_rows("CREATE TRIGGER t AFTER INSERT ON users BEGIN DELETE FROM users; END"), "tables are not those",
    ),
    "a view": (with_rows("CREATE VIEW v AS SELECT 1"), "tables are not those"),
    "a file that is no database": (no_database, "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
async def test_it_is_refused_with_the_reason_and_nothing_changes(honest: Path, tmp_path: Path, wrong: str) -> None:
    file, (forge, said) = tmp_path / "x.bundle", WRONG[wrong]
    shutil.copy(honest, file)
    await asyncio.to_thread(forge, file)
    with pytest.raises(StorageError, match=said) as refused:
        await imported(tmp_path / "data", file)
    assert str(file) in str(refused.value)
    with closing(sqlite3.connect(tmp_path / "data" / FILE_NAME)) as connection:
        tables = ("guilds", "channels", "users", "messages", "pictures", "origins", "opt_outs", "audit_log")
        assert [connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in tables] == [(0,)] * 8
    assert not [path for path in (tmp_path / "data").iterdir() if path.name.startswith(".afterimage")]


def test_an_honest_one_is_told_from_what_only_looks_like_one(honest: Path, tmp_path: Path) -> None:
    assert is_bundle(honest)
    shutil.copy(honest, tmp_path / "backup.tar")
    with_manifest(kind="")(tmp_path / "backup.tar")
    (tmp_path / "words.json").write_text("{}")
    assert not any(is_bundle(path) for path in (tmp_path / "backup.tar", tmp_path / "words.json", tmp_path))
    with pytest.raises(StorageError, match="restore"):
        bundle_file.read_manifest(tmp_path / "backup.tar")


async def test_without_room_it_is_refused(honest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_file.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 0))  # type: ignore[attr-defined]  # the type of its answer
    with pytest.raises(DiskFull, match="Make room there"):
        await imported(tmp_path / "data", honest)
