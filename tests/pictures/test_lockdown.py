"""A picture reader can do nothing but read pictures: a probe stands in its place and tries the rest."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from indexer.pictures.decode_process import WorkerSettings
from indexer.pictures.decode_protocol import ANSWER
from indexer.pictures.decoder import open_decoder, probe_lockdown
from indexer.pictures.extras import HEIC, installed
from indexer.pictures.lockdown.report import Lockdown
from indexer.pictures.lockdown.seccomp import filter_program
from indexer.platforms.linux import Unavailable
from indexer.platforms.processes import command
from indexer.records.pictures import PixelSpec
from indexer.settings import DecodeSettings
from tests.worlds.waiting import DEADLINE_S

linux = pytest.mark.skipif(sys.platform != "linux", reason="the lock-down of processes is Linux's")

SPEC = PixelSpec(64)
# What Landlock stops by itself on a kernel of ABI 6 or newer. The rest is seccomp's.
OF_LANDLOCK = {
    "read a file",
    "list a folder",
    "open for writing",
    "create a file",
    "truncate",
    "unlink",
    "rename",
    "make a folder",
    "exec",
    "read the parent's environment",
    "read the parent's memory",
    "connect to loopback",
    "signal the parent",
    "kill the parent",
    "ptrace the parent",
}


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def in_force() -> Lockdown:
    return asyncio.run(probe_lockdown(DecodeSettings()))


def probe(port: int, file: Path, only: str | None = None) -> tuple[dict[str, str], dict[str, str]]:
    """What the probe told of its lock-down, and what it could do."""
    settings = json.loads(WorkerSettings(SPEC, 10**8, 1, 512 * 1024**2, nice=0).as_json())
    told: dict[str, Any] = {**settings, "parent": os.getpid(), "file": str(file), "port": port, "only": only}
    run = subprocess.run(
        command(json.dumps(told), "tests.worlds.lockdown_probe", site=False),
        input=b"x",
        capture_output=True,
        timeout=DEADLINE_S,
        env={},
    )
    answer, ready = run.stdout, b"{}"
    if only is None:
        (length,) = ANSWER.unpack_from(answer)
        ready, answer = answer[ANSWER.size : ANSWER.size + length], answer[ANSWER.size + length :]
    assert answer, run.stderr.decode()
    return json.loads(ready), json.loads(answer)


@linux
def test_a_worker_can_do_nothing_but_decode(port: int, tmp_path: Path) -> None:
    file = tmp_path / "afterimage.sqlite3"
    file.write_text("the index")
    missing = in_force().missing
    if "seccomp" in missing:
        pytest.skip(f"this kernel has no seccomp: {missing['seccomp']}")
    told, results = probe(port, file)
    assert told == dict(in_force().parts)
    allowed = {"start a thread"} if installed(HEIC) else set()  # its decoder starts one
    assert {name for name, how in results.items() if how not in ("EPERM", "EACCES")} == allowed
    assert file.read_text() == "the index"
    assert [entry.name for entry in tmp_path.iterdir()] == [file.name]


@linux
def test_seccomp_alone_stops_all_of_it(port: int, tmp_path: Path) -> None:
    file = tmp_path / "index"
    file.write_text("the index")
    missing = in_force().missing
    if "seccomp" in missing:
        pytest.skip(f"this kernel has no seccomp: {missing['seccomp']}")
    _, results = probe(port, file, only="seccomp")
    assert set(results.values()) == {"EPERM"}


@linux
def test_landlock_alone_stops_files_connections_and_signals(port: int, tmp_path: Path) -> None:
    from indexer.platforms.linux import syscall

    file = tmp_path / "index"
    file.write_text("the index")
    try:
        abi = syscall(444, None, 0, 1)
    except Unavailable as error:
        pytest.skip(f"this kernel has no Landlock: {error}")
    _, results = probe(port, file, only="landlock")
    stopped = set(OF_LANDLOCK)
    if abi < 6:
        stopped -= {"signal the parent", "kill the parent"}
    if abi < 4:
        stopped -= {"connect to loopback"}
    if abi < 3:
        stopped -= {"truncate"}
    assert {name for name in stopped if results[name] not in ("EPERM", "EACCES")} == set()


@linux
def test_without_any_of_it_the_probe_would_succeed(port: int, tmp_path: Path) -> None:
    """The probe's attempts are real ones: outside the lock-down they work."""
    if sys.platform == "linux":  # mypy follows no mark
        from tests.worlds import lockdown_probe

        file = tmp_path / "index"
        file.write_text("the index")
        tries = lockdown_probe.attempts(os.getpid(), str(file), port)
        for name in ("read a file", "list a folder", "open for writing", "create a file", "signal the parent", "memfd"):
            assert tries[name]() is not NotImplemented
        tries["connect to loopback"]()
        tries["fork"]()
        tries["unlink"]()
        assert not file.exists()


async def test_the_pool_says_what_is_in_force(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "indexer.pictures.decoder")
    async with open_decoder(DecodeSettings(workers=1), SPEC) as pool:
        assert set(pool.lockdown.parts) == {
            "time limit",
            "memory limit",
            "not dumpable",
            "no new privileges",
            "landlock",
            "limits",
            "seccomp",
        }
        assert pool.lockdown == await probe_lockdown(DecodeSettings())
    (line,) = [record for record in caplog.records if "locked down" in record.getMessage()]
    assert (line.levelname == "WARNING") is bool(pool.lockdown.missing)


def test_a_part_that_a_system_lacks_is_named_with_its_reason() -> None:
    found = Lockdown({"limits": "", "landlock": "Function not implemented", "seccomp": ""})
    assert found.in_force == ("limits", "seccomp")
    assert str(found) == "limits, seccomp; not in force: landlock (Function not implemented)"
    assert str(Lockdown({"seccomp": "darwin has none"})) == "nothing; not in force: seccomp (darwin has none)"


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_of_each_architecture_decides_as_its_table_says(machine: str) -> None:
    audit = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[machine]
    other = {"x86_64": 0x40000003, "aarch64": 0x40000028}[machine]  # i386, arm
    read, open_file, mapping = {"x86_64": (0, 257, 9), "aarch64": (63, 56, 222)}[machine]
    assert decided(machine, audit, read) == "allow"
    assert decided(machine, audit, mapping, 3) == "allow"
    assert decided(machine, audit, mapping, 7) == "fail"
    assert decided(machine, audit, open_file) == "fail"
    assert decided(machine, audit, 10_000) == "fail"
    assert decided(machine, audit, 0x40000000 + read) == "kill"
    assert decided(machine, other, read) == "kill"


def test_an_architecture_without_a_table_is_said_to_be_one() -> None:
    with pytest.raises(Unavailable, match="riscv64"):
        filter_program("riscv64")


def decided(machine: str, architecture: int, number: int, protection: int = 0) -> str:
    """Runs the filter on one system call, as the kernel would."""
    data = struct.pack("<IIQ6Q", number, architecture, 0, 0, 0, protection, 0, 0, 0)
    program = list(struct.iter_unpack("<HBBI", filter_program(machine)))
    at, word = 0, 0
    while True:
        code, yes, no, value = program[at]
        at += 1
        if code == 0x20:
            (word,) = struct.unpack_from("<I", data, value)
        elif code == 0x06:
            return {0x7FFF0000: "allow", 0x80000000: "kill"}.get(value, "fail")
        else:
            holds = {0x15: word == value, 0x35: word >= value, 0x45: bool(word & value)}[code]
            at += yes if holds else no
