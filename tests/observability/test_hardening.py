"""The token and the bot's memory, as other processes of the same user see them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc and prctl are Linux's")

NAME, TOKEN = "AFTERIMAGE_DISCORD_TOKEN", "MTIz.a-token-of-the-test.xyz"
# Tests that run as root become somebody whom the kernel's rules hold; that clears the flag, so it is set as at a start.
NOBODY = """
import ctypes, os, sys
if os.geteuid() == 0 and sys.argv[2] == "nobody":
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
"""
# A bot that has read its token, and stays; it says when it is ready, and whether its children inherit the token.
BOT = f"""
import os, subprocess, sys
from bot.observability.hardening import keep_memory_private, wipe_from_environment
{NOBODY}
kept = os.environ[{NAME!r}]
if sys.argv[1] == "hardened":
    keep_memory_private()
    wipe_from_environment({NAME!r})
    assert kept == {TOKEN!r}, "the copy that was read must live on"
    wipe_from_environment({NAME!r})
inherited = subprocess.run(["/usr/bin/env"], capture_output=True, text=True).stdout
print(int({TOKEN!r} in inherited), flush=True)
sys.stdin.read(1)
"""
# Another process of the same user, which tries to read the first one.
SPY = f"""
{NOBODY}
for name in ("environ", "mem", "maps"):
    try:
        with open(f"/proc/{{sys.argv[1]}}/{{name}}", "rb") as file:
            data = file.read() if name == "environ" else b""
        print(name, "read", b"a-token-of-the-test" in data)
    except OSError as error:
        print(name, error.strerror)
"""


def is_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0


def seen(mode: str, user: str) -> tuple[list[str], bytes, bool]:
    """What a spy sees, what /proc/PID/environ holds for root, and whether children inherit the token."""
    root = str(Path(__file__).parents[2])
    environment = {NAME: TOKEN, "PYTHONPATH": root, "PATH": "/usr/bin:/bin"}
    arguments = [sys.executable, "-c", BOT, mode, user]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as bot:
        assert bot.stdout is not None
        inherited = bot.stdout.readline().strip()
        spy = subprocess.run(
            [sys.executable, "-c", SPY, str(bot.pid), user], capture_output=True, text=True, env={}, check=True
        )
        environ = Path(f"/proc/{bot.pid}/environ").read_bytes() if is_root() else b""
        bot.communicate("x")
    assert inherited in ("0", "1"), inherited
    return spy.stdout.splitlines(), environ, inherited == "1"


def test_a_process_of_the_same_user_reads_neither_memory_nor_environment() -> None:
    before, _, inherited = seen("plain", "nobody")
    assert before[0] == "environ read True"
    assert inherited
    after, _, inherited = seen("hardened", "nobody")
    assert after == [f"{name} Permission denied" for name in ("environ", "mem", "maps")]
    assert not inherited


def test_the_token_is_gone_from_the_environment_even_for_root() -> None:
    if not is_root():
        pytest.skip("only root may look into a process that is not dumpable")
    assert TOKEN.encode() in seen("plain", "root")[1]
    environ = seen("hardened", "root")[1]
    assert TOKEN.encode() not in environ
    assert NAME.encode() in environ  # the variable is where it was, without its value
