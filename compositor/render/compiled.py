"""How kernels are compiled by numba, and the machine operations that its types lack.

Importing this module loads numba (0.2 s); import it when the first pixel needs it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

Kernel = Callable[..., None]

# Guest memory is mapped read-only and may start at any byte; loads are compiled for that.
BYTES = types.Array(types.uint8, 1, "C", readonly=True, aligned=False)
WORDS = types.Array(types.uint32, 1, "C")


def compiled(*arguments: types.Type) -> Callable[[Kernel], Kernel]:
    """Compile for one signature, at the first call; from the cache of an earlier process where there is one.

    numba refuses to cache, by exceptions of many kinds, when it finds no directory that it may write,
    when the disk is full, or when a cache file is damaged. None of these is a reason not to draw.
    """
    signature = types.void(*arguments)

    def decorate(function: Kernel) -> Kernel:
        @functools.cache
        def machine_code() -> Kernel:
            options: dict[str, Any] = {"nogil": True, "boundscheck": False}
            try:
                kernel: Kernel = numba.njit(signature, cache=True, **options)(function)
            except Exception:
                kernel = numba.njit(signature, **options)(function)
            return kernel

        @functools.wraps(function)
        def call(*values: Any) -> None:
            machine_code()(*values)

        return call

    return decorate


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """A helper of kernels, compiled into each."""
    helper: Callable[..., Any] = numba.njit(inline="always")(function)
    return helper


def _load(result: types.Type) -> Callable[..., Any]:
    def typed(_context: Any, array: types.Type, _offset: types.Type) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            data = context.make_array(signature.args[0])(context, builder, values[0]).data
            pointer = builder.gep(data, [values[1]])
            whole = builder.bitcast(pointer, context.get_value_type(result).as_pointer())
            return builder.load(whole, align=1)

        return result(array, types.intp), generate

    function: Callable[..., Any] = intrinsic(typed)
    return function


load16 = _load(types.uint16)
"""(bytes, offset): the little-endian 16-bit word there, at any alignment."""
load32 = _load(types.uint32)
"""(bytes, offset): the little-endian 32-bit word there, at any alignment."""


def _multiply_add(_context: Any, _a: types.Type, _b: types.Type, _c: types.Type) -> Any:
    def generate(_target: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.add(builder.mul(values[0], values[1]), values[2])

    return types.int32(types.int32, types.int32, types.int32), generate


multiply_add: Callable[..., Any] = intrinsic(_multiply_add)
"""(a, b, c): a * b + c in 32 bits; numba's operators widen to 64, of which a vector holds half as many."""


def flat(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """All bytes of an image, from its first to its last, padding between rows included; and its pitch."""
    height, width, element = image.shape
    pitch = image.strides[0]
    return np.lib.stride_tricks.as_strided(image, ((height - 1) * pitch + width * element,), (1,)), pitch
