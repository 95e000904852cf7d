"""Arithmetic on sixteen pixels at a time, written as Python expressions.

`compositor.render.fused.vectors` has the type and how it is loaded and stored. Here a function of `Lanes`
becomes an instruction that kernels call with vectors: the expression runs once, when the kernel is compiled,
and leaves LLVM's operations behind. Integers in an expression stand for the same number in every lane.

Importing this module loads numba; import it when the first pixel needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types

from compositor.render.fused.vectors import LANES, PIXELS, VECTOR, Function, all_lanes, declare, instruction

NUMBER = types.int64  # sizes, addresses and factors
OPAQUE = -0x1000000  # alpha 255: 0xff000000, signed


class Lanes:
    """Sixteen lanes of 32 bits, or 32 of 16 bits, in an expression."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self._builder = builder
        self.value = value

    def halves(self) -> Lanes:
        """The same bits as 32 lanes of 16 bits."""
        return Lanes(self._builder, self._builder.bitcast(self.value, _HALVES))

    def words(self) -> Lanes:
        """The same bits as 16 lanes of 32 bits."""
        return Lanes(self._builder, self._builder.bitcast(self.value, VECTOR))

    def at_least(self, other: Lanes | int) -> Lanes:
        """The larger, as signed numbers."""
        return self._chosen(">", other)

    def at_most(self, other: Lanes | int) -> Lanes:
        """The smaller, as signed numbers."""
        return self._chosen("<", other)

    def bytes(self) -> Lanes:
        """The same bits as 64 lanes of 8 bits."""
        return Lanes(self._builder, self._builder.bitcast(self.value, _BYTES))

    def lanes(self, places: Sequence[int], others: Lanes | None = None) -> Lanes:
        """These lanes; those of `others`, of the same type, are counted on from the last of these."""
        order = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), list(places))
        second = self if others is None else others
        return Lanes(self._builder, self._builder.shuffle_vector(self.value, second.value, order))

    def sums_of_products(self, factors: Lanes) -> Lanes:
        """Of unsigned bytes, by signed ones: sums of two products that adjoin, in 16 bits; they saturate.

        What saturates is the sum, as numbers of 32 bits: LLVM knows the pattern as one instruction where
        there is one, and else does just that.
        """
        build = self._builder
        wide = ir.VectorType(ir.IntType(32), 2 * LANES)
        products = []
        for first in (0, 1):
            places = range(first, 4 * LANES, 2)
            pixels = build.zext(self.lanes(places).value, wide)
            products.append(build.mul(pixels, build.sext(factors.lanes(places).value, wide)))
        total = Lanes(build, build.add(*products)).at_most(0x7FFF).at_least(-0x8000)
        return Lanes(build, build.trunc(total.value, _HALVES))

    def high_product(self, other: Lanes) -> Lanes:
        """The upper halves of the signed products of lanes of 16 bits."""
        build = self._builder
        wide = ir.VectorType(ir.IntType(32), 2 * LANES)
        product = build.mul(build.sext(self.value, wide), build.sext(other.value, wide))
        upper = build.lshr(product, ir.Constant(wide, [16] * wide.count))
        return Lanes(build, build.trunc(upper, _HALVES))

    def __and__(self, other: Lanes | int) -> Lanes:
        return self._made("and_", other)

    def __or__(self, other: Lanes | int) -> Lanes:
        return self._made("or_", other)

    def __add__(self, other: Lanes | int) -> Lanes:
        return self._made("add", other)

    def __sub__(self, other: Lanes | int) -> Lanes:
        return self._made("sub", other)

    def __mul__(self, other: Lanes | int) -> Lanes:
        return self._made("mul", other)

    def __lshift__(self, other: Lanes | int) -> Lanes:
        return self._made("shl", other)

    def __rshift__(self, other: Lanes | int) -> Lanes:
        """Zeros come in from above."""
        return self._made("lshr", other)

    def signed_shift(self, bits: int) -> Lanes:
        """To the right; the sign comes in from above."""
        return self._made("ashr", bits)

    def _made(self, operation: str, other: Lanes | int) -> Lanes:
        return Lanes(self._builder, getattr(self._builder, operation)(self.value, self._like(other)))

    def _chosen(self, relation: str, other: Lanes | int) -> Lanes:
        value = self._like(other)
        holds = self._builder.icmp_signed(relation, self.value, value)
        return Lanes(self._builder, self._builder.select(holds, self.value, value))

    def _like(self, other: Lanes | int) -> ir.Value:
        if isinstance(other, Lanes):
            return other.value
        return ir.Constant(self.value.type, [other] * self.value.type.count)


_HALVES = ir.VectorType(ir.IntType(16), 2 * LANES)
_BYTES = ir.VectorType(ir.IntType(8), 4 * LANES)


def expression(vectors: int, numbers: int = 0) -> Callable[[Function], Function]:
    """Decorates a function of so many vectors, then so many numbers, each in all lanes, with one result."""

    def decorate(function: Function) -> Function:
        def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
            spread = [*values[:vectors], *(all_lanes(builder, value) for value in values[vectors:])]
            return function(*(Lanes(builder, value) for value in spread)).value

        signature = PIXELS(*[PIXELS] * vectors, *[NUMBER] * numbers)
        return of_arity(vectors + numbers, signature, generate)

    return decorate


def loads(bits: int) -> tuple[Function, Function]:
    """Instructions that load sixteen numbers of `bits` at an address, and the first so many of them."""
    stored = ir.VectorType(ir.IntType(bits), LANES)

    def whole(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        loaded = builder.load(builder.inttoptr(values[0], stored.as_pointer()), align=1)
        return builder.zext(loaded, VECTOR)

    def some(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        loaded = load_first(builder, stored, values[0], values[1])
        return builder.zext(loaded, VECTOR)

    return of_arity(1, PIXELS(NUMBER), whole), of_arity(2, PIXELS(NUMBER, NUMBER), some)


def load_first(builder: ir.IRBuilder, stored: ir.VectorType, address: ir.Value, count: ir.Value) -> ir.Value:
    """The first `count` numbers at an address, and zeros; reads no byte beyond."""
    wide = ir.VectorType(ir.IntType(64), stored.count)
    nothing = ir.Constant(wide, ir.Undefined)
    first = builder.insert_element(nothing, count, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), stored.count), [0] * stored.count)
    counts = builder.shuffle_vector(first, nothing, zeros)
    mask = builder.icmp_signed("<", ir.Constant(wide, list(range(stored.count))), counts)
    pointer = builder.inttoptr(address, stored.as_pointer())
    name = f"llvm.masked.load.v{stored.count}i{stored.element.width}.p0"
    function = declare(builder, name, stored, pointer.type, ir.IntType(32), mask.type, stored)
    clear = ir.Constant(stored, [0] * stored.count)
    return builder.call(function, [pointer, ir.Constant(ir.IntType(32), 1), mask, clear])


def of_arity(count: int, signature: Any, generate: Function) -> Function:
    """An instruction of `count` arguments; numba wants them by name."""
    names = ", ".join(f"_{index}" for index in range(count))
    make: Function = eval(f"lambda answer: lambda _context, {names}: answer")
    return instruction(make((signature, generate)))


load16, load16_some = loads(16)


@instruction
def pick(_context: Any, _source: types.Type, _places: types.Type) -> Any:
    """Lanes of a vector by their places, 0 to 15; LLVM knows the pattern as one permutation.

    Not a gather from memory, which can be slower than sixteen loads (CVE-2022-40982 and its mitigation).
    """

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        return _permuted(builder, *values)

    return PIXELS(PIXELS, PIXELS), generate


@instruction
def choose(_context: Any, _first: types.Type, _second: types.Type, _places: types.Type) -> Any:
    """Lanes of two vectors by their places, 0 to 31; as `pick`, of each."""

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        *sources, places = values
        permuted = [_permuted(builder, source, places) for source in sources]
        sixteen = ir.Constant(VECTOR, [LANES] * LANES)
        return builder.select(builder.icmp_signed("<", places, sixteen), *permuted)

    return PIXELS(PIXELS, PIXELS, PIXELS), generate


@instruction
def pick_further(
    _context: Any, _pixels: types.Type, _source: types.Type, _places: types.Type, _begin: types.Type
) -> Any:
    """As `pick`, of a vector whose first lane has the place `begin`; `pixels` where places are not in it."""

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        pixels, source, places, begin = values
        group = builder.and_(places, ir.Constant(VECTOR, [-LANES] * LANES))
        here = builder.icmp_signed("==", group, all_lanes(builder, begin))
        return builder.select(here, _permuted(builder, source, places), pixels)

    return PIXELS(PIXELS, PIXELS, PIXELS, NUMBER), generate


@instruction
def load_words(_context: Any, _address: types.Type, _distances: types.Type) -> Any:
    """Sixteen words at distances in bytes from an address; by sixteen loads, see `pick`."""

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        address, distances = values
        word = ir.IntType(32)
        vector = ir.Constant(VECTOR, ir.Undefined)
        for lane in (ir.Constant(word, lane) for lane in range(LANES)):
            distance = builder.sext(builder.extract_element(distances, lane), address.type)
            pointer = builder.inttoptr(builder.add(address, distance), word.as_pointer())
            vector = builder.insert_element(vector, builder.load(pointer, align=1), lane)
        return vector

    return PIXELS(NUMBER, PIXELS), generate


def _permuted(builder: ir.IRBuilder, source: ir.Value, places: ir.Value) -> ir.Value:
    inside = builder.and_(places, ir.Constant(VECTOR, [LANES - 1] * LANES))
    vector = ir.Constant(VECTOR, ir.Undefined)
    for lane in (ir.Constant(ir.IntType(32), lane) for lane in range(LANES)):
        index = builder.extract_element(inside, lane)
        vector = builder.insert_element(vector, builder.extract_element(source, index), lane)
    return vector


@instruction
def load_word(_context: Any, _address: types.Type) -> Any:
    """The 32-bit word at an address."""

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        pointer = builder.inttoptr(values[0], ir.IntType(32).as_pointer())
        return builder.zext(builder.load(pointer, align=1), ir.IntType(64))

    return NUMBER(NUMBER), generate


@instruction
def store_word(_context: Any, _address: types.Type, _word: types.Type) -> Any:
    """Write the low 32 bits of a number."""

    def generate(target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        pointer = builder.inttoptr(values[0], ir.IntType(32).as_pointer())
        builder.store(builder.trunc(values[1], ir.IntType(32)), pointer, align=1)
        return target.get_dummy_value()

    return types.void(NUMBER, NUMBER), generate
