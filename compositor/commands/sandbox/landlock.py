"""Landlock: from now on this thread, and those that it starts, may open only what is named (landlock(7)).

Numbers and structures are those of linux/landlock.h. Open files keep their rights.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable, Mapping
from enum import IntFlag
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # on every architecture
_CREATE_VERSION = 1
_RULE_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38
_RULESET = struct.Struct("=QQQ")  # handled accesses to files, to networks; scopes
_PATH_BENEATH = struct.Struct("=Qi")

# What each version of the interface added, from the first on: bits of accesses to files, networks, scopes.
_FILES = (13, 14, 15, 15, 16)
_NETWORK = (0, 0, 0, 2)
_SCOPES = (0, 0, 0, 0, 0, 2)


class Access(IntFlag):
    """What may be done beneath a directory, or with a file."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_FILE = 1 << 5
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    TRUNCATE = 1 << 14


READ = Access.READ_FILE | Access.READ_DIR
_OF_FILES = Access.EXECUTE | Access.WRITE_FILE | Access.READ_FILE | Access.TRUNCATE

_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """The version of the kernel's interface; 0: it has none, or it is switched off."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, 0, _CREATE_VERSION)))


def restrict(rules: Mapping[Path, Access]) -> None:
    """Allow what the rules say, and no other use of files, no TCP, no signals to processes outside.

    Args:
        rules: Paths that are there, with what may be done with them and beneath them.

    Raises:
        OSError: The kernel refuses; nothing has changed, or less than was asked for.
    """
    known = version()
    handled = [(1 << _of(known, bits)) - 1 for bits in (_FILES, _NETWORK, _SCOPES)]
    attributes = _RULESET.pack(*handled)[: 8 if known < 4 else 16 if known < 6 else 24]
    ruleset = _call(_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for path, access in rules.items():
            _allow(ruleset, path, access & handled[0])
        _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def present(paths: Iterable[str | os.PathLike[str]], access: Access) -> dict[Path, Access]:
    """Rules of one kind for those of the paths that are there."""
    return {path: access for path in map(Path, paths) if path.exists()}


def _of(known: int, bits: tuple[int, ...]) -> int:
    return bits[min(known, len(bits)) - 1]


def _allow(ruleset: int, path: Path, access: int) -> None:
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        allowed = access if path.is_dir() else access & _OF_FILES
        _call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, _PATH_BENEATH.pack(allowed, fd), 0)
    finally:
        os.close(fd)


def _call(number: int, *arguments: int | bytes) -> int:
    return _check(_libc.syscall(number, *arguments))


def _check(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
