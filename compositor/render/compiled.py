"""How kernels are compiled by numba, and kept for the next process.

Importing this module loads numba; import it when the first pixel needs it.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from types import CellType, FunctionType
from typing import Any

import numba
from numba import types

Kernel = Callable[..., None]

_OPTIONS: dict[str, Any] = {"nogil": True, "boundscheck": False, "error_model": "numpy"}


def helper(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a function that is compiled into each of its callers, so that vectors stay in registers."""
    options: dict[str, Any] = {"forceinline": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    copied: Callable[..., Any] = numba.njit(**options, **_OPTIONS)(function)
    return copied


def part(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a function that is called in one place: a part of its caller, given a name.

    A helper is compiled by itself too, with all that it calls, before it is compiled into its callers; a part
    is not. A chain of helpers that call each other would take three times as long to compile.
    """
    inlined: Callable[..., Any] = numba.njit(inline="always", **_OPTIONS)(function)
    return inlined


def kernel(numbers: int) -> Callable[[Kernel], Kernel]:
    """Compile a function of so many 64-bit integers, at once, or take it from an earlier process's cache.

    Images and tables are given by their addresses, so there is one signature, and nothing to be unpacked.

    numba refuses to cache, by exceptions of many kinds, when it finds no directory that it may write,
    when the disk is full, or when a cache file is damaged. None of these is a reason not to draw.
    """
    signature = types.void(*[types.int64] * numbers)

    def decorate(function: Kernel) -> Kernel:
        try:
            compiled: Kernel = numba.njit(signature, cache=True, **_OPTIONS)(_stamped(function))
        except Exception:
            compiled = numba.njit(signature, **_OPTIONS)(function)
        return compiled

    return decorate


def late_kernel(numbers: int) -> Callable[[Kernel], Kernel]:
    """As `kernel`, but compiled at the first call: for what few pictures need."""

    def decorate(function: Kernel) -> Kernel:
        compiled = functools.cache(lambda: kernel(numbers)(function))

        @functools.wraps(function)
        def call(*values: Any) -> None:
            compiled()(*values)

        return call

    return decorate


def _stamped(function: Kernel) -> Kernel:
    """The same function, with a checksum of this folder's sources as a variable that it closes over.

    numba's cache sees edits of a kernel's own module, not of modules whose helpers are compiled into it; but
    what a function closes over is part of its key in the cache. So a new version never runs old machine code.
    """
    assert isinstance(function, FunctionType)
    code = function.__code__.replace(co_freevars=("sources",))
    stamped = FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, (CellType(sources()),)
    )
    return functools.update_wrapper(stamped, function)


@functools.cache
def sources() -> str:
    """A checksum of everything that can be compiled into a kernel."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
