"""Sixteen or 32 pixels at a time: vector types for numba, and how they get from and to memory.

numba has no vectors of its own, and LLVM does not vectorise a loop of branches (is this block opaque? is
it clear?). So the vectors are said outright: a value of type `PIXELS` is sixteen words of 32 bits, LLVM's
`<16 x i32>`: one register with AVX-512, two with AVX2, four with SSE2 or NEON. `WIDE` is two of them: what a
loop asks of its layers is then asked once for both, and the processor has two sums to work on at once.
Nothing here names a processor. Each function is an intrinsic: a few lines of LLVM's assembly in place of a
call.

Memory is named by addresses, as integers: an image may start at any byte and have any distance between its
rows, and numba would count references to every array that a helper is given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.core.extending import register_model
from numba.extending import intrinsic

Function = Callable[..., Any]

LANES = 16
BLOCK = 4 * LANES  # bytes
AHEAD = 4096  # bytes to fetch ahead where it pays: a core's own prefetchers stop at every page
WIDE_LANES = 32  # of 64 the stores of a copy come in bunches: a quarter slower at 4K
WIDE_BLOCK = 4 * WIDE_LANES

_I32 = ir.IntType(32)
VECTOR = ir.VectorType(_I32, LANES)
_LANE = ir.Constant(VECTOR, list(range(LANES)))


class _Pixels(types.Type):
    def __init__(self, lanes: int) -> None:
        super().__init__(name=f"Pixels{lanes}")
        self.vector = ir.VectorType(_I32, lanes)


@register_model(_Pixels)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: _Pixels) -> None:
        super().__init__(manager, fe_type, fe_type.vector)  # type: ignore[no-untyped-call]


PIXELS: Any = _Pixels(LANES)
WIDE: Any = _Pixels(WIDE_LANES)
TABLE: Any = types.CPointer(types.int64)  # type: ignore[no-untyped-call]


def instruction(describe: Function) -> Function:
    """Decorates a function that says, as numba's `intrinsic` wants it, what stands for a call."""
    function: Function = intrinsic(describe)
    return function


def all_lanes(builder: ir.IRBuilder, word: ir.Value, vector: ir.VectorType = VECTOR) -> ir.Value:
    """A vector with the low 32 bits of `word` in every lane."""
    nothing = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(nothing, builder.trunc(word, _I32), ir.Constant(_I32, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(vector, [0] * vector.count))


def declare(builder: ir.IRBuilder, name: str, result: ir.Type, *arguments: ir.Type) -> ir.Function:
    """One of LLVM's own intrinsic functions."""
    known = builder.module.globals.get(name)
    return known or ir.Function(builder.module, ir.FunctionType(result, arguments), name)


@instruction
def table(_context: Any, _address: types.Type) -> Any:
    """An array of 64-bit integers at this address."""

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        return builder.inttoptr(values[0], ir.IntType(64).as_pointer())

    return TABLE(types.int64), generate


def _load(_target: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
    return builder.load(_pointer(builder, values[0], signature.return_type.vector), align=1)


@instruction
def load(_context: Any, _address: types.Type) -> Any:
    """The sixteen pixels at this address."""
    return PIXELS(types.int64), _load


@instruction
def load_wide(_context: Any, _address: types.Type) -> Any:
    """The 32 pixels at this address."""
    return WIDE(types.int64), _load


@instruction
def load_some(_context: Any, _address: types.Type, _count: types.Type) -> Any:
    """The first `count` of sixteen pixels, the others clear; reads no byte beyond."""

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        mask = _first(builder, values[1])
        name, pointer = f"llvm.masked.load.v{LANES}i32.p0", VECTOR.as_pointer()
        function = declare(builder, name, VECTOR, pointer, _I32, mask.type, VECTOR)
        clear = ir.Constant(VECTOR, [0] * LANES)
        return builder.call(function, [_pointer(builder, values[0]), ir.Constant(_I32, 1), mask, clear])

    return PIXELS(types.int64, types.int64), generate


@instruction
def store(_context: Any, _address: types.Type, pixels: types.Type) -> Any:
    """Write sixteen or 32 pixels."""

    def generate(target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        builder.store(values[1], _pointer(builder, values[0], values[1].type), align=1)
        return target.get_dummy_value()

    return types.void(types.int64, pixels), generate


@instruction
def store_some(_context: Any, _address: types.Type, _pixels: types.Type, _count: types.Type) -> Any:
    """Write the first `count` of sixteen pixels, and no byte beyond."""

    def generate(target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        mask = _first(builder, values[2])
        name, pointer = f"llvm.masked.store.v{LANES}i32.p0", VECTOR.as_pointer()
        function = declare(builder, name, ir.VoidType(), VECTOR, pointer, _I32, mask.type)
        builder.call(function, [values[1], _pointer(builder, values[0]), ir.Constant(_I32, 1), mask])
        return target.get_dummy_value()

    return types.void(types.int64, PIXELS, types.int64), generate


@instruction
def prefetch(_context: Any, _address: types.Type) -> Any:
    """Have the processor load this cache line soon; never faults."""

    def generate(target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        byte = ir.IntType(8).as_pointer()
        function = declare(builder, "llvm.prefetch.p0", ir.VoidType(), byte, _I32, _I32, _I32)
        # LLVM's language reference, llvm.prefetch: for reading, keep in all caches, data.
        flags = [ir.Constant(_I32, flag) for flag in (0, 3, 1)]
        builder.call(function, [builder.inttoptr(values[0], byte), *flags])
        return target.get_dummy_value()

    return types.void(types.int64), generate


def _pointer(builder: ir.IRBuilder, address: ir.Value, vector: ir.VectorType = VECTOR) -> ir.Value:
    return builder.inttoptr(address, vector.as_pointer())


def _first(builder: ir.IRBuilder, count: ir.Value) -> ir.Value:
    """A mask of the first `count` lanes."""
    return builder.icmp_signed("<", _LANE, all_lanes(builder, count))
