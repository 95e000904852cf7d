"""Images as numba's kernels for planes take them, and the machine operations that its types lack.

A plane's kernel is compiled when it is called first, since few pictures need more than one or two of them.

Importing this module loads numba; import it when the first pixel needs it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from compositor.render.compiled import Kernel, kernel

# Guest memory is mapped read-only and may start at any byte; loads are compiled for that.
BYTES = types.Array(types.uint8, 1, "C", readonly=True, aligned=False)
WORDS = types.Array(types.uint32, 1, "C")


def late_kernel(*arguments: types.Type) -> Callable[[Kernel], Kernel]:
    """As `compositor.render.compiled.kernel`, at the first call."""

    def decorate(function: Kernel) -> Kernel:
        compiled = functools.cache(lambda: kernel(*arguments)(function))

        @functools.wraps(function)
        def call(*values: Any) -> None:
            compiled()(*values)

        return call

    return decorate


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


def flat_bytes(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """All bytes of an image, from its first to its last, padding between rows included; and its pitch."""
    height, width, element = image.shape
    pitch = image.strides[0]
    return as_strided(image, ((height - 1) * pitch + width * element,), (1,)), pitch


def flat_words(words: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], int, int, int]:
    """All words of (height, width) words, as `flat_bytes`; their pitch in words, width and height."""
    height, width = words.shape
    pitch = words.strides[0] // 4
    return as_strided(words, ((height - 1) * pitch + width,), (4,)), pitch, width, height
