"""What blending does to sixteen pixels, or 32: products by 255ths rounded to nearest, and sums that saturate.

A pixel is a word of alpha, red, green and blue, from the highest byte down, colours premultiplied. A product
is x * y / 255 by t = x * y + 128, (t + t / 256) / 256, which is the rounded quotient for all bytes x and y,
and so pixman's (pixman-combine.h, MUL_UN8). Two channels of a pixel at a time lie in halves of sixteen
bits. Sums saturate because nothing keeps a guest from sending colours above their alpha; so pixman's do.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from compositor.render.fused.vectors import all_lanes, declare, instruction

_OPAQUE = 0xFF000000


@instruction
def over(_context: Any, _below: types.Type, pixels: types.Type) -> Any:
    """Put `above` over `below`: above + below * (255 - alpha) / 255 in every channel."""

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        below, above = values
        octets = _lanes(above, 8)
        inverse = builder.bitcast(builder.not_(above), octets)
        # Both halves of a pixel get its alpha, and a zero from beyond.
        places = [octet for alpha in range(3, octets.count, 4) for octet in (alpha, octets.count) * 2]
        order = ir.Constant(ir.VectorType(ir.IntType(32), octets.count), places)
        kept = _multiply(builder, below, builder.shuffle_vector(inverse, _constant(octets, 0), order))
        add = declare(builder, f"llvm.uadd.sat.v{octets.count}i8", octets, octets, octets)
        return builder.bitcast(builder.call(add, [kept, builder.bitcast(above, octets)]), above.type)

    return pixels(pixels, pixels), generate


@instruction
def fade(_context: Any, pixels: types.Type, _opacity: types.Type) -> Any:
    """All four channels times opacity / 255."""

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        words, opacity = values
        both = builder.mul(opacity, ir.Constant(opacity.type, 0x10001))
        factors = all_lanes(builder, both, words.type)
        return builder.bitcast(_multiply(builder, words, factors), words.type)

    return pixels(pixels, types.int64), generate


@instruction
def reorder(
    _context: Any,
    pixels: types.Type,
    _blue: types.Type,
    _green: types.Type,
    _red: types.Type,
    _alpha: types.Type,
) -> Any:
    """Channels put in order, each shifted right to the lowest byte by so many bits first."""

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        words, *shifts = values
        ordered = _constant(words.type, 0)
        for channel, shift in enumerate(shifts):
            moved = builder.lshr(words, all_lanes(builder, shift, words.type))
            octet = builder.and_(moved, _constant(words.type, 0xFF))
            ordered = builder.or_(ordered, builder.shl(octet, _constant(words.type, 8 * channel)))
        return ordered

    return pixels(pixels, *[types.int64] * 4), generate


@instruction
def opaque(_context: Any, pixels: types.Type) -> Any:
    """`pixels` with alpha 255."""

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        return builder.or_(values[0], _constant(values[0].type, _OPAQUE))

    return pixels(pixels), generate


@instruction
def all_opaque(_context: Any, pixels: types.Type) -> Any:
    """Whether every alpha is 255."""

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        return _none(builder, builder.icmp_unsigned("<", values[0], _constant(values[0].type, _OPAQUE)))

    return types.boolean(pixels), generate


@instruction
def all_clear(_context: Any, pixels: types.Type) -> Any:
    """Whether every channel is zero, so that putting it over anything changes nothing."""

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        return _none(builder, builder.icmp_unsigned("!=", values[0], _constant(values[0].type, 0)))

    return types.boolean(pixels), generate


def _none(builder: ir.IRBuilder, lanes: ir.Value) -> ir.Value:
    """Whether no lane's bit is set."""
    flags = ir.IntType(lanes.type.count)
    return builder.icmp_unsigned("==", builder.bitcast(lanes, flags), ir.Constant(flags, 0))


def _multiply(builder: ir.IRBuilder, pixels: ir.Value, factors: ir.Value) -> ir.Value:
    """Every channel times the factor in the half of its pixel that it shares / 255; as bytes.

    (t + t / 256) / 256 is also the upper half of 257 t, which is one multiplication; the other half of the
    channels stays in the upper bytes, where it belongs, and two additions are as cheap.
    """
    half = _lanes(pixels, 16)
    halves, factors = (builder.bitcast(value, half) for value in (pixels, factors))
    low, eight = _constant(half, 0xFF), _constant(half, 8)
    even, odd = (
        builder.add(builder.mul(channels, factors), _constant(half, 128))
        for channels in (builder.and_(halves, low), builder.lshr(halves, eight))
    )
    even = _upper_half_of_product(builder, even, 257)
    odd = builder.add(odd, builder.lshr(odd, eight))
    both = builder.or_(even, builder.and_(odd, _constant(half, 0xFF00)))
    return builder.bitcast(both, _lanes(pixels, 8))


def _upper_half_of_product(builder: ir.IRBuilder, halves: ir.Value, factor: int) -> ir.Value:
    """Unsigned; LLVM has no word for it, but processors have, and LLVM knows this pattern."""
    word = ir.VectorType(ir.IntType(32), halves.type.count)
    product = builder.mul(builder.zext(halves, word), _constant(word, factor))
    return builder.trunc(builder.lshr(product, _constant(word, 16)), halves.type)


def _lanes(value: ir.Value, bits: int) -> ir.VectorType:
    """A vector type of as many bits as `value` has, in lanes of so many."""
    return ir.VectorType(ir.IntType(bits), value.type.count * 32 // bits)


def _constant(vector: ir.VectorType, value: int) -> ir.Constant:
    return ir.Constant(vector, [value] * vector.count)
