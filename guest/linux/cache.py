"""The user's cache: what was built or fetched once and is found again by name."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from virtio.errors import ScanoutError


def cache_dir(*parts: str) -> Path:
    """A directory in the cache, made if missing: under `$XDG_CACHE_HOME`, else `~/.cache`.

    Raises:
        ScanoutError: It cannot be made.
    """
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        path = Path(base).expanduser().absolute() / "scanout" / Path(*parts)
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:
        raise ScanoutError(
            f"no cache directory in {base} ({error}); set XDG_CACHE_HOME to a writable one"
        ) from None
    return path


def content_key(*contents: bytes | str) -> str:
    """A short name for exactly these contents, in this order."""
    digest = sha256()
    for content in contents:
        data = content.encode() if isinstance(content, str) else content
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:16]


def cached(target: Path, make: Callable[[Path], Path]) -> Path:
    """`target`, made now if it is not there.

    Args:
        target: The final name, a file or a directory in the cache.
        make: Given an empty scratch directory, makes the thing in it and returns its path.

    Returns:
        `target`, which is always whole: it got its name in one step, when finished.
    """
    return target if target.exists() else remake(target, make, keep=True)


def remake(target: Path, make: Callable[[Path], Path], *, keep: bool = False) -> Path:
    """Make `target` anew, as `cached` does; with `keep`, only if it is not there after all.

    One process at a time makes it, the others wait; what a killed one left is removed first.
    """
    scratch = target.with_name(f".{target.name}.making")
    with locked(target):
        if keep and target.exists():
            return target
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        try:
            make(scratch).replace(target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return target


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Hold the sole right, among all processes, to change `target`; waits for it."""
    with target.with_name(f".{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
