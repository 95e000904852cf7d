"""Files that the user names: what is read is a regular file, and results appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from compositor.errors import BadInput
from virtio.regular import open_regular

__all__ = ["create", "open_regular", "release_reserved", "reserve", "write_atomically"]

_reserved: dict[Path, tuple[Path, BinaryIO]] = {}
"""What is to be written, and the part that has been opened for it."""


def reserve(path: str | os.PathLike[str]) -> None:
    """Open now what `write_atomically` will write, for a process that cannot open files later.

    Raises:
        BadInput: `path` cannot be written.
    """
    target, part, file = _open_part(path)
    _reserved[target] = part, file


def create(path: Path) -> None:
    """Have a file at `path`, empty unless it is there, for a process that can make none later.

    Raises:
        BadInput: There can be none.
    """
    try:
        path.touch()
    except OSError as error:
        raise _refusal(path, error) from None


def release_reserved() -> None:
    """Remove the parts of what was never written."""
    while _reserved:
        _, (part, file) = _reserved.popitem()
        file.close()
        part.unlink(missing_ok=True)


def _open_part(path: str | os.PathLike[str]) -> tuple[Path, Path, BinaryIO]:
    """The file to replace, the part to write, and that opened.

    Raises:
        BadInput: `path` cannot be written.
    """
    try:
        target = Path(path).resolve()  # write through a symbolic link, not over it
        if target.exists() and not target.is_file():
            raise BadInput(f"cannot write {path}: it exists and is no regular file; name a file")
        if target in _reserved:
            return target, *_reserved.pop(target)
        part = target.with_name(f".scanout-{secrets.token_hex(8)}.part")
        return target, part, part.open("xb")
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a NUL character
        raise _refusal(path, error) from None


@contextlib.contextmanager
def write_atomically(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write to that takes its place at `path` when the block ends well, else vanishes.

    Raises:
        BadInput: `path` cannot be written.
    """
    target, part, file = _open_part(path)
    try:
        with file:
            yield file
        part.replace(target)
    except OSError as error:
        raise _refusal(path, error) from None
    finally:
        part.unlink(missing_ok=True)


def _refusal(path: str | os.PathLike[str], error: Exception) -> BadInput:
    reason = error.strerror if isinstance(error, OSError) else None
    return BadInput(f"cannot write {path}: {reason or error}")
