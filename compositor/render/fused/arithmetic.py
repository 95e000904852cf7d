"""What blending does to sixteen pixels: products by 255ths rounded to nearest, and sums that saturate.

A pixel is a word of alpha, red, green and blue, from the highest byte down, colours premultiplied. A product
is x * y / 255 by t = x * y + 128, (t + t / 256) / 256, which is the rounded quotient for all bytes x and y,
and so pixman's (pixman-combine.h, MUL_UN8). Two channels of a pixel at a time lie in halves of sixteen
bits. Sums saturate because nothing keeps a guest from sending colours above their alpha; so pixman's do.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from compositor.render.fused.vectors import (
    BLOCK,
    LANES,
    PIXELS,
    VECTOR,
    all_lanes,
    declare,
    instruction,
)

_BYTES = ir.VectorType(ir.IntType(8), BLOCK)
_HALVES = ir.VectorType(ir.IntType(16), 2 * LANES)
_FLAGS = ir.IntType(LANES)  # one bit a lane
_OPAQUE = 0xFF000000
# Where the bytes of a factor come from: both halves of a pixel get its alpha, and a zero from beyond.
_ALPHA_IN_HALVES = [byte for pixel in range(LANES) for byte in (4 * pixel + 3, BLOCK) * 2]


@instruction
def over(_context: Any, _below: types.Type, _above: types.Type) -> Any:
    """Put `above` over `below`: above + below * (255 - alpha) / 255 in every channel."""

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        below, above = values
        inverse = builder.bitcast(builder.not_(above), _BYTES)
        places = ir.Constant(ir.VectorType(ir.IntType(32), BLOCK), _ALPHA_IN_HALVES)
        factors = builder.shuffle_vector(inverse, _constant(_BYTES, 0), places)
        kept = _multiply(builder, below, factors)
        add = declare(builder, f"llvm.uadd.sat.v{BLOCK}i8", _BYTES, _BYTES, _BYTES)
        return builder.bitcast(builder.call(add, [kept, builder.bitcast(above, _BYTES)]), VECTOR)

    return PIXELS(PIXELS, PIXELS), generate


@instruction
def fade(_context: Any, _pixels: types.Type, _opacity: types.Type) -> Any:
    """All four channels times opacity / 255."""

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        pixels, opacity = values
        both = builder.mul(opacity, ir.Constant(opacity.type, 0x10001))
        return builder.bitcast(_multiply(builder, pixels, all_lanes(builder, both)), VECTOR)

    return PIXELS(PIXELS, types.int64), generate


@instruction
def reorder(
    _context: Any,
    _pixels: types.Type,
    _blue: types.Type,
    _green: types.Type,
    _red: types.Type,
    _alpha: types.Type,
) -> Any:
    """Channels put in order, each shifted right to the lowest byte by so many bits first."""

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        pixels, *shifts = values
        ordered = _constant(VECTOR, 0)
        for channel, shift in enumerate(shifts):
            byte = builder.and_(builder.lshr(pixels, all_lanes(builder, shift)), _constant(VECTOR, 0xFF))
            ordered = builder.or_(ordered, builder.shl(byte, _constant(VECTOR, 8 * channel)))
        return ordered

    return PIXELS(PIXELS, *[types.int64] * 4), generate


@instruction
def opaque(_context: Any, _pixels: types.Type) -> Any:
    """`pixels` with alpha 255."""

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        return builder.or_(values[0], _constant(VECTOR, _OPAQUE))

    return PIXELS(PIXELS), generate


@instruction
def all_opaque(_context: Any, _pixels: types.Type) -> Any:
    """Whether every alpha is 255."""

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        lanes = builder.icmp_unsigned("<", values[0], _constant(VECTOR, _OPAQUE))
        return builder.icmp_unsigned("==", builder.bitcast(lanes, _FLAGS), ir.Constant(_FLAGS, 0))

    return types.boolean(PIXELS), generate


@instruction
def all_clear(_context: Any, _pixels: types.Type) -> Any:
    """Whether every channel is zero, so that putting it over anything changes nothing."""

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        lanes = builder.icmp_unsigned("!=", values[0], _constant(VECTOR, 0))
        return builder.icmp_unsigned("==", builder.bitcast(lanes, _FLAGS), ir.Constant(_FLAGS, 0))

    return types.boolean(PIXELS), generate


def _multiply(builder: ir.IRBuilder, pixels: ir.Value, factors: ir.Value) -> ir.Value:
    """Every channel times the factor in the half of its pixel that it shares / 255; as bytes."""
    halves, factors = (builder.bitcast(value, _HALVES) for value in (pixels, factors))
    low, eight = _constant(_HALVES, 0xFF), _constant(_HALVES, 8)
    products = []
    for channels in (builder.and_(halves, low), builder.lshr(halves, eight)):
        product = builder.add(builder.mul(channels, factors), _constant(_HALVES, 128))
        products.append(builder.add(product, builder.lshr(product, eight)))
    even, odd = products
    both = builder.or_(builder.lshr(even, eight), builder.and_(odd, _constant(_HALVES, 0xFF00)))
    return builder.bitcast(both, _BYTES)


def _constant(vector: ir.VectorType, value: int) -> ir.Constant:
    return ir.Constant(vector, [value] * vector.count)
