"""Compiling the workloads' inner loops with numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` at its first call, to machine code that does not hold the interpreter's lock.

    The code is kept on disk for the next run; where no directory for it can be written, numba refuses
    at once, and we compile without keeping.
    """
    try:
        kernel: Callable[P, R] = njit(cache=True, nogil=True)(function)
    except RuntimeError:
        kernel = njit(nogil=True)(function)
    return kernel
