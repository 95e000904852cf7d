"""Structures on the wire, declared once: a `NamedTuple` whose annotations are its byte layout.

    class SetScanout(NamedTuple):
        rect: Rect              # a structure inside a structure
        scanout_id: U32
        resource_id: U32

`pack` and `unpack` derive everything else. The declaration reads like the C structure that it mirrors,
and a test compares the two field by field. All integers are little-endian and nothing is padded
implicitly: virtio's structures spell their padding out.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_type_hints

U8 = Annotated[int, "B"]
U32 = Annotated[int, "I"]
S32 = Annotated[int, "i"]
U64 = Annotated[int, "Q"]


class Array(NamedTuple):
    """Annotation of a tuple of `length` equal items: each a `struct` format character or a structure."""

    item: str | type[Any]
    length: int


class Field(NamedTuple):
    """One field of a structure: its name and its place, in bytes from the structure's start."""

    name: str
    offset: int
    size: int


T = TypeVar("T", bound=tuple[Any, ...])
Values = tuple[Any, ...]


class Layout:
    """How one structure lies in memory.

    Attributes:
        size: Bytes of the whole structure.
        fields: Name and place of every field, in order.
    """

    def __init__(self, kind: type[Any]) -> None:
        hints = get_type_hints(kind, include_extras=True)
        parts = [_part(hint) for hint in hints.values()]
        self.format = "".join(part.format for part in parts)
        self._struct = struct.Struct("<" + self.format)
        self._kind = kind
        self._steps: list[tuple[int, int, Callable[[Values], Any] | None]] = []
        self.size = self._struct.size
        self.fields: list[Field] = []
        offset = values = 0
        for name, part in zip(hints, parts, strict=True):
            size = struct.calcsize("<" + part.format)
            self.fields.append(Field(name, offset, size))
            self._steps.append((values, values + part.values, part.build))
            offset, values = offset + size, values + part.values
        self.values = values
        self._flat = all(build is None for _, _, build in self._steps)

    def build(self, values: Values) -> Any:
        """A structure of its scalars, given in wire order."""
        if self._flat:
            return self._kind(*values)
        return self._kind(
            *[
                values[start] if build is None else build(values[start:stop])
                for start, stop, build in self._steps
            ]
        )

    def unpack(self, data: bytes, offset: int = 0) -> Any:
        """The structure at `offset` of `data`; `struct.error` when `data` ends before it does."""
        return self.build(self._struct.unpack_from(data, offset))

    def pack(self, value: Values) -> bytes:
        """The structure's bytes; `struct.error` when a number does not fit its field."""
        return self._struct.pack(*(value if self._flat else _flatten(value)))


class _Part(NamedTuple):
    """One field while a layout is made: its format, its number of scalars, and its builder (None: as is)."""

    format: str
    values: int
    build: Callable[[Values], Any] | None


def _part(hint: Any) -> _Part:
    """The part that an annotation describes."""
    if isinstance(hint, type):
        nested = layout_of(hint)
        return _Part(nested.format, nested.values, nested.build)
    description = get_args(hint)[1]
    if isinstance(description, str):
        return _Part(description, 1, None)
    item, length = description
    if isinstance(item, str):
        return _Part(item * length, length, tuple)
    inner = layout_of(item)
    width = inner.values

    def build(values: Values) -> tuple[Any, ...]:
        return tuple(inner.build(values[start : start + width]) for start in range(0, width * length, width))

    return _Part(inner.format * length, width * length, build)


def _flatten(value: Values) -> Iterator[Any]:
    """Every scalar of a structure, in wire order."""
    for item in value:
        if isinstance(item, tuple):
            yield from _flatten(item)
        else:
            yield item


_LAYOUTS: dict[type[Any], Layout] = {}


def layout_of(kind: type[Any]) -> Layout:
    """The layout that the annotations of `kind` declare, made once."""
    layout = _LAYOUTS.get(kind)
    if layout is None:
        layout = _LAYOUTS[kind] = Layout(kind)
    return layout


def sizeof(kind: type[Any]) -> int:
    """Bytes of a structure on the wire."""
    return layout_of(kind).size


def pack(value: tuple[Any, ...]) -> bytes:
    """A structure's bytes.

    Raises:
        struct.error: A number does not fit its field.
    """
    return layout_of(type(value)).pack(value)


def unpack(kind: type[T], data: bytes, offset: int = 0) -> T:
    """The structure of type `kind` at `offset` of `data`.

    Raises:
        struct.error: `data` ends before the structure does.
    """
    structure: T = layout_of(kind).unpack(data, offset)
    return structure
