"""A seccomp filter (seccomp(2), Linux 3.17 and newer): some twenty system calls are allowed, every other one fails.

The list has the allowed calls, not the forbidden ones. So a system call that a later kernel adds is denied without a
change here. The filter is forty instructions of classic BPF. It is written by hand, because the bindings of libseccomp
need a shared library that a container image does not have.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from dataclasses import dataclass

from indexer.platforms.linux import Unavailable, syscall

# <linux/filter.h>: load a word, jump if equal / if greater or equal / if a bit is set, return
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# <linux/seccomp.h>
_SET_MODE_FILTER, _EVERY_THREAD = 1, 1
_ALLOW, _FAIL, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
_MISSING = 0x00050000 | errno.ENOSYS
# Where struct seccomp_data has the system call's number, the architecture, and the low half of the third argument
# (little-endian, as both architectures are).
_NUMBER, _ARCHITECTURE, _FIRST, _THIRD = 0, 4, 16, 32
# What glibc's pthread_create asks of clone: CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, SETTLS, PARENT_SETTID and
# CHILD_CLEARTID. clone3 has its flags in memory, where no filter sees them; where it is missing, glibc takes clone.
_NEW_THREAD, _CLONE3 = 0x3D0F00, 435
_PROT_EXEC = 4
_X32 = 0x40000000  # numbers from here on are x86-64's second set of the same calls


@dataclass(frozen=True, slots=True)
class _Table:
    """An architecture's AUDIT_ARCH_* and its numbers. `mapping` are mmap and mprotect: never with PROT_EXEC."""

    audit: int
    seccomp: int
    clone: int
    allowed: tuple[int, ...]
    mapping: tuple[int, ...]


# read write readv writev close fstat lseek · munmap brk mremap madvise · rt_sigaction rt_sigprocmask rt_sigreturn
# sigaltstack setitimer · sched_yield futex getpid gettid rseq restart_syscall · gettimeofday clock_gettime
# clock_nanosleep getrandom · exit exit_group
_TABLES = {
    "x86_64": _Table(
        0xC000003E,
        317,
        56,
        (0, 1, 19, 20, 3, 5, 8, 11, 12, 25, 28, 13, 14, 15, 131, 38, 24, 202, 39, 186, 334, 219, 96, 228, 230, 318, 60,
         231),
        (9, 10),
    ),
    "aarch64": _Table(
        0xC00000B7,
        277,
        220,
        (63, 64, 65, 66, 57, 80, 62, 215, 214, 216, 233, 134, 135, 139, 132, 103, 124, 98, 172, 178, 293, 128, 169, 113,
         115, 278, 93, 94),
        (222, 226),
    ),
}  # fmt: skip


def enforce(*, threads: bool = False) -> None:
    """Allows this process only the system calls of the table, and `threads`. All others fail with EPERM.

    A call with another architecture's numbers ends the process. PR_SET_NO_NEW_PRIVS must be set before. Raises
    Unavailable where the kernel has no seccomp, or where the architecture has no table here.
    """
    program = filter_program(platform.machine(), threads=threads)
    buffer = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: how many instructions, and where
    described = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    holder = ctypes.create_string_buffer(described, len(described))
    number = _TABLES[platform.machine()].seccomp
    syscall(number, _SET_MODE_FILTER, _EVERY_THREAD, ctypes.cast(holder, ctypes.c_void_p))


def filter_program(machine: str, *, threads: bool = False) -> bytes:
    """The filter for `platform.machine()`, 8 bytes an instruction. Raises Unavailable where there is no table."""
    table = _TABLES.get(machine)
    if table is None:
        raise Unavailable(f"no table of system calls for {machine}")
    # What follows the comparisons: fail; the call is missing; test for a new thread (3 instructions), test the memory
    # protection (3), allow.
    missing, thread, protection, allow = 1, 2, 5, 8
    targets = dict.fromkeys(table.allowed, allow) | dict.fromkeys(table.mapping, protection)
    if threads:
        targets |= {table.clone: thread, _CLONE3: missing}
    program = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, table.audit), (_RETURN, 0, 0, _KILL)]
    program += [(_LOAD, 0, 0, _NUMBER), (_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    for position, (number, target) in enumerate(targets.items(), 1):
        program.append((_EQUAL, len(targets) - position + target, 0, number))
    program += [(_RETURN, 0, 0, _FAIL), (_RETURN, 0, 0, _MISSING)]
    program += [(_LOAD, 0, 0, _FIRST), (_EQUAL, 4, 0, _NEW_THREAD), (_RETURN, 0, 0, _FAIL)]
    program += [(_LOAD, 0, 0, _THIRD), (_ANY_BIT, 0, 1, _PROT_EXEC), (_RETURN, 0, 0, _FAIL)]
    program.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)
