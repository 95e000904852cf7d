"""The GPU's commands, and how they lie in memory.

A command is a header (operation, a byte of zero, bytes in all as 16 bits) and its fields in their order,
little-endian, nested structures in place. A ring holds `Call`, `Store`, `Wait` and `Interrupt`; what draws
comes in batches, which the ring calls, and which end with `End`.
"""

from __future__ import annotations

from struct import Struct
from typing import Annotated, Any, NamedTuple, TypeAlias, get_args, get_type_hints

from guest.gpu.faults import BadCommand

U16: TypeAlias = Annotated[int, "H"]
U32: TypeAlias = Annotated[int, "I"]
U64: TypeAlias = Annotated[int, "Q"]

_HEADER = Struct("<BxH")
HEADER_SIZE = _HEADER.size
VERTEX_SIZE = 20
"""Bytes of a vertex; see `guest.gpu.triangles`."""


class Surface(NamedTuple):
    """A picture of premultiplied B8G8R8A8 pixels; address of the first, bytes from row to row."""

    address: U64
    width: U16
    height: U16
    stride: U32


class Area(NamedTuple):
    """A rectangle of a surface's pixels."""

    x: U16
    y: U16
    width: U16
    height: U16


class Nop(NamedTuple):
    """Nothing; also pads the end of a ring."""


class End(NamedTuple):
    """The batch is over."""


class Fill(NamedTuple):
    """One colour."""

    target: Surface
    rect: Area
    colour: U32


class Gradient(NamedTuple):
    """From one colour in the first row to another in the last."""

    target: Surface
    rect: Area
    top: U32
    bottom: U32


class Blit(NamedTuple):
    """Pixels of one surface into another, as they are or (`blend`) over what is there."""

    source: Surface
    at_x: U16
    at_y: U16
    target: Surface
    rect: Area
    blend: U16


class Triangles(NamedTuple):
    """`triangles` of three vertices each (`guest.gpu.triangles`), all of them over what is there.

    A texture of width 0 is none: the vertices' colours alone.
    """

    target: Surface
    texture: Surface
    vertices: U64
    triangles: U32


class Dispatch(NamedTuple):
    """A program of the context's runs over a rectangle, for so many cycles a pixel."""

    target: Surface
    rect: Area
    program: U16
    argument: U32
    cycles: U32


class Copy(NamedTuple):
    """Bytes from one address to another; `migrate`: for a host that does not reach them there."""

    source: U64
    target: U64
    length: U64
    migrate: U16


class Store(NamedTuple):
    """32 bits into memory: a fence write, or the signal of a semaphore."""

    address: U64
    value: U32


class StorePhysical(NamedTuple):
    """32 bits into VRAM by physical address: privileged, since no page table stands in between."""

    address: U64
    value: U32


class Wait(NamedTuple):
    """Wait until the 32 bits at an address are `value` or more: a semaphore."""

    address: U64
    value: U32


class Call(NamedTuple):
    """Run the batch at an address; only from a ring."""

    address: U64


class Jump(NamedTuple):
    """Go on at another address of the batch's."""

    address: U64


class Interrupt(NamedTuple):
    """Tell the driver."""


Command: TypeAlias = (
    Nop | End | Fill | Gradient | Blit | Triangles | Dispatch | Copy | Store | StorePhysical | Wait | Call |
    Jump | Interrupt
)  # fmt: skip

_OPERATIONS: dict[int, type[Any]] = {
    0x00: Nop, 0x01: End, 0x02: Call, 0x03: Jump, 0x04: Store, 0x05: Wait, 0x06: Interrupt, 0x07:
    StorePhysical, 0x10: Fill, 0x11: Gradient, 0x12: Blit, 0x13: Triangles, 0x14: Dispatch, 0x15: Copy,
}  # fmt: skip
_NUMBERS = {kind: number for number, kind in _OPERATIONS.items()}


_STRUCTURES: tuple[type[Any], ...] = (Surface, Area, *_OPERATIONS.values())
_FIELDS = {kind: list(get_type_hints(kind, include_extras=True).values()) for kind in _STRUCTURES}


def _format(kind: type[Any]) -> str:
    return "".join(_format(f) if isinstance(f, type) else get_args(f)[1] for f in _FIELDS[kind])


_LAYOUTS = {kind: Struct("<" + _format(kind)) for kind in _NUMBERS}
_NESTED = {kind: any(isinstance(f, type) for f in _FIELDS[kind]) for kind in _NUMBERS}


def encode(command: Command) -> bytes:
    """A command as it lies in memory."""
    layout = _LAYOUTS[type(command)]
    return _HEADER.pack(_NUMBERS[type(command)], HEADER_SIZE + layout.size) + layout.pack(*_flat(command))


def size_of(header: bytes) -> int:
    """Bytes of the command that a header begins.

    Raises:
        BadCommand: There is no such command, or it is not as long as that.
    """
    number, size = _HEADER.unpack(header)
    kind = _OPERATIONS.get(number)
    if kind is None or size != HEADER_SIZE + _LAYOUTS[kind].size:
        raise BadCommand(f"no command {number:#04x} of {size} bytes")
    return int(size)


def decode(data: bytes) -> Command:
    """The command that all of `data` is; its header has been through `size_of`."""
    kind = _OPERATIONS[data[0]]
    values = iter(_LAYOUTS[kind].unpack_from(data, HEADER_SIZE))
    command: Command = _built(kind, values) if _NESTED[kind] else kind(*values)
    return command


def _flat(value: tuple[Any, ...]) -> list[int]:
    found: list[int] = []
    for field in value:
        found.extend(_flat(field) if isinstance(field, tuple) else (field,))
    return found


def _built(kind: type[Any], values: Any) -> Any:
    return kind(*(_built(f, values) if isinstance(f, type) else next(values) for f in _FIELDS[kind]))
