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

__all__ = ["open_regular", "write_atomically"]


@contextlib.contextmanager
def write_atomically(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write to that takes its place at `path` when the block ends well, else vanishes.

    Raises:
        BadInput: `path` cannot be written.
    """
    try:
        target = Path(path).resolve()  # write through a symbolic link, not over it
        if target.exists() and not target.is_file():
            raise BadInput(f"cannot write {path}: it exists and is no regular file; name a file")
        part = target.with_name(f".scanout-{secrets.token_hex(8)}.part")
        file = part.open("xb")
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a NUL character
        raise _refusal(path, error) from None
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
