# ruff: noqa: PTH101, PTH102, PTH104, PTH108, PTH120, PTH208, S103, S606 -- system calls are tried as they are
"""Takes the place of a decode worker: locks itself down as a worker does, then tries what an exploit would try."""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

from indexer.pictures.decode_worker import enter
from indexer.pictures.lockdown import landlock, seccomp
from indexer.platforms.linux import PR_SET_NO_NEW_PRIVS, prctl

assert sys.platform == "linux", "it tries Linux's system calls"

LIBC = ctypes.CDLL(None, use_errno=True)


def c(name: str, *arguments: Any) -> None:
    """Calls a function of the C library; raises OSError where it fails."""
    if getattr(LIBC, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


def call(number: int, *arguments: int) -> None:
    """A system call by number."""
    c("syscall", *(ctypes.c_long(word) for word in (number, *arguments)))


def connect(port: int) -> None:
    with socket.socket() as connection:
        connection.connect(("127.0.0.1", port))


def fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def thread() -> None:
    try:
        threading.Thread(target=int).start()
    except RuntimeError as error:
        raise OSError(errno.EPERM, str(error)) from error


def attempts(parent: int, file: str, port: int) -> dict[str, Callable[[], object]]:
    """The attempts. Nothing is open before them except the pipes."""
    word = ctypes.create_string_buffer(4096)  # the kernel may write up to 120 bytes (io_uring_params)
    return {
        "read a file": lambda: os.open(file, os.O_RDONLY),
        "list a folder": lambda: os.listdir(os.path.dirname(file)),
        "open for writing": lambda: os.open(file, os.O_WRONLY),
        "create a file": lambda: os.open(file + ".new", os.O_WRONLY | os.O_CREAT),
        "truncate": lambda: os.truncate(file, 0),
        "unlink": lambda: os.unlink(file),
        "rename": lambda: os.rename(file, file + ".gone"),
        "link": lambda: os.link(file, file + ".link"),
        "change a mode": lambda: os.chmod(file, 0o777),
        "make a folder": lambda: os.mkdir(file + ".d"),
        "connect to loopback": lambda: connect(port),
        "open a Unix socket": lambda: socket.socket(socket.AF_UNIX),
        "exec": lambda: os.execv("/bin/true", ["true"]),
        "start a program": lambda: os.posix_spawn("/bin/true", ["true"], {}),
        "fork": fork,
        "start a thread": thread,
        "ptrace the parent": lambda: c("ptrace", 16, parent, None, None),
        "signal the parent": lambda: os.kill(parent, 0),
        "kill the parent": lambda: os.kill(parent, signal.SIGCONT),
        "read the parent's environment": lambda: os.open(f"/proc/{parent}/environ", os.O_RDONLY),
        "read the parent's memory": lambda: os.open(f"/proc/{parent}/mem", os.O_RDONLY),
        "process_vm_readv": lambda: c("process_vm_readv", parent, word, 1, word, 1, 0),
        "memfd": lambda: os.memfd_create("x"),
        "run what is written": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
        "io_uring": lambda: call(425, 1, ctypes.addressof(word)),
        "bpf": lambda: call(321 if os.uname().machine == "x86_64" else 280, 0, ctypes.addressof(word), 8),
        "raise a limit": lambda: c("prlimit", 0, 7, None, word),
        "leave the namespace": lambda: c("unshare", 0x10000000),
        "mount": lambda: c("mount", b"none", b"/tmp", b"tmpfs", 0, None),
        "change the root": lambda: os.chroot("/"),
    }


def tried(parent: int, file: str, port: int) -> dict[str, str]:
    """Each attempt and its error; "done" where it succeeded."""
    results = {}
    for name, attempt in attempts(parent, file, port).items():
        try:
            attempt()
        except OSError as error:
            results[name] = errno.errorcode.get(error.errno or 0, str(error))
        except MemoryError:
            results[name] = "no memory"
        else:
            results[name] = "done"
    return results


def main(arguments: str) -> None:
    """Writes each attempt and its result as one line of JSON after a worker's ready message.
    `only` names one part of the lock-down that is applied alone.
    """
    settings = json.loads(arguments)
    only = settings.get("only")
    if only is None:
        answers = enter(settings)
    else:
        answers = os.fdopen(os.dup(1), "wb")
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        if only == "landlock":
            landlock.enforce()
        else:
            seccomp.enforce()
    answers.write(json.dumps(tried(settings["parent"], settings["file"], settings["port"])).encode() + b"\n")
    answers.flush()
    sys.stdin.buffer.read(1)
    os._exit(0)
