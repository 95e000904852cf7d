"""Directories for the time of a run: its sockets, its guests' working directories.

A run that ends removes its own. What a killed one left is removed by the next: a directory holds a file whose
lock (flock) its owner has, and the lock ends with the owner, however that ends. A directory without such a
file, or of another user, stays as it is.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "scanout-"
_OWNER = ".owner"


@contextlib.contextmanager
def run_directory() -> Iterator[Path]:
    """A directory of this run alone, among the system's temporary ones; removed with all that is in it."""
    sweep()
    directory = Path(tempfile.mkdtemp(prefix=PREFIX))
    unlocked = directory / f"{_OWNER}-to-be"
    with unlocked.open("x") as owner:
        try:
            fcntl.flock(owner, fcntl.LOCK_EX)
            # Under this name it is locked at any time, so that no other run takes a new one for dead.
            unlocked.rename(directory / _OWNER)
            yield directory
        finally:
            shutil.rmtree(directory)


def sweep() -> None:
    """Remove the directories of this user's runs that were killed."""
    for directory in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), _open_own(directory / _OWNER) as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def _open_own(path: Path) -> Iterator[int]:
    """A descriptor of a regular file of ours.

    Raises:
        OSError: It is not there, or something else.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if path.parent.lstat().st_uid != os.geteuid() or os.fstat(descriptor).st_uid != os.geteuid():
            raise PermissionError
        yield descriptor
    finally:
        os.close(descriptor)
