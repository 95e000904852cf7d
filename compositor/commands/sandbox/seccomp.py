"""seccomp: from now on the kernel refuses this process the system calls that are named (seccomp(2)).

The filter is a list of what is refused, with EPERM: what the interpreter and its libraries call otherwise is
not known beforehand. Numbers are those of linux/seccomp.h, linux/filter.h and asm/unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _GET_ACTION_AVAIL = 1, 2
_TSYNC = 1  # threads that run already, too
_RET_ALLOW, _RET_ERRNO = 0x7FFF0000, 0x00050000
_LOAD, _RETURN = 0x20, 0x06
_IF_EQUAL, _IF_ABOVE, _IF_BITS = 0x15, 0x35, 0x45
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_X32 = 0x40000000  # calls of another ABI of the same processor
_NEW_FILE = os.O_CREAT | 0x400000  # and the bit that makes O_TMPFILE more than O_DIRECTORY
_INSTRUCTION = struct.Struct("=HBBI")


class _Machine(NamedTuple):
    """An architecture.

    Attributes:
        audit: Its number.
        seccomp: The number of seccomp(2).
        refused: Calls that are refused: programs; sockets; other processes; namespaces and mounts; and what
            goes around a filter.
        makers: Calls that make files and directories.
        openers: Calls that open files, and which of their arguments has the flags.
    """

    audit: int
    seccomp: int
    refused: Mapping[str, int]
    makers: Mapping[str, int]
    openers: Mapping[int, int]


_MACHINES: Mapping[str, _Machine] = {
    "x86_64": _Machine(
        0xC000003E,
        317,
        {
            "execve": 59,
            "execveat": 322,
            "socket": 41,
            "connect": 42,
            "bind": 49,
            "listen": 50,
            "ptrace": 101,
            "process_vm_readv": 310,
            "process_vm_writev": 311,
            "pidfd_getfd": 438,
            "mount": 165,
            "unshare": 272,
            "setns": 308,
            "chroot": 161,
            "open_by_handle_at": 304,
            "io_uring_setup": 425,
            "bpf": 321,
            "perf_event_open": 298,
            "userfaultfd": 323,
        },
        {
            "creat": 85,
            "mknod": 133,
            "mknodat": 259,
            "mkdir": 83,
            "mkdirat": 258,
            "openat2": 437,
            "link": 86,
            "linkat": 265,
            "symlink": 88,
            "symlinkat": 266,
        },
        {2: 1, 257: 2},
    ),
    "aarch64": _Machine(
        0xC00000B7,
        277,
        {
            "execve": 221,
            "execveat": 281,
            "socket": 198,
            "connect": 203,
            "bind": 200,
            "listen": 201,
            "ptrace": 117,
            "process_vm_readv": 270,
            "process_vm_writev": 271,
            "pidfd_getfd": 438,
            "mount": 40,
            "unshare": 97,
            "setns": 268,
            "chroot": 51,
            "open_by_handle_at": 265,
            "io_uring_setup": 425,
            "bpf": 280,
            "perf_event_open": 241,
            "userfaultfd": 282,
        },
        {"mknodat": 33, "mkdirat": 34, "openat2": 437, "linkat": 37, "symlinkat": 36},
        {56: 2},
    ),
}

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def is_there() -> bool:
    """Whether this kernel has filters, on an architecture whose calls are known here."""
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    action = ctypes.c_uint32(_RET_ERRNO)
    return bool(_libc.syscall(machine.seccomp, _GET_ACTION_AVAIL, 0, ctypes.byref(action)) == 0)


def forbid(*, new_files: bool) -> None:
    """Have the calls refused, in all threads, from now on.

    Args:
        new_files: Refuse to make files, too.

    Raises:
        OSError: The kernel refuses, or a thread has another filter.
    """
    machine = _MACHINES[platform.machine()]
    code = b"".join(_INSTRUCTION.pack(*one) for one in _filter(machine, new_files))
    program = _Program(len(code) // _INSTRUCTION.size, code)
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _check(_libc.syscall(machine.seccomp, _SET_MODE_FILTER, _TSYNC, ctypes.byref(program)))


def _filter(machine: _Machine, new_files: bool) -> Iterator[tuple[int, int, int, int]]:
    """The filter, as instructions: (code, skipped if true, skipped if not, value)."""
    allow, refuse = (_RETURN, 0, 0, _RET_ALLOW), (_RETURN, 0, 0, _RET_ERRNO | errno.EPERM)
    yield from ((_LOAD, 0, 0, _ARCHITECTURE), (_IF_EQUAL, 1, 0, machine.audit), refuse)
    yield from ((_LOAD, 0, 0, _NUMBER), (_IF_ABOVE, 0, 1, _X32), refuse)
    makers = machine.makers.values() if new_files else ()
    for number in (*machine.refused.values(), *makers):
        yield from ((_IF_EQUAL, 0, 1, number), refuse)
    for number, argument in machine.openers.items() if new_files else ():
        yield (_IF_EQUAL, 0, 4, number)
        yield from ((_LOAD, 0, 0, _ARGUMENTS + 8 * argument), (_IF_BITS, 1, 0, _NEW_FILE), allow, refuse)
    yield allow


def _check(result: int) -> None:
    if result:  # above 0: the thread that could not be filtered
        error = ctypes.get_errno() if result < 0 else errno.EBUSY
        raise OSError(error, os.strerror(error))
