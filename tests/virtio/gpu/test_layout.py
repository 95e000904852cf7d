"""Annotations as byte layouts."""

from __future__ import annotations

import struct
from typing import Annotated, NamedTuple

import pytest

from virtio.gpu.layout import S32, U8, U64, Array, Field, layout_of, pack, sizeof, unpack


class Point(NamedTuple):
    x: S32
    y: S32


Points = Annotated[tuple[Point, ...], Array(Point, 2)]
Bytes = Annotated[tuple[int, ...], Array("B", 3)]


class Nested(NamedTuple):
    first: U8
    at: Point
    name: Annotated[bytes, "4s"]
    line: Points
    tail: Bytes = (7, 8, 9)
    end: U64 = 1


class Empty(NamedTuple):
    pass


VALUE = Nested(1, Point(-2, 3), b"ab\0\0", (Point(4, 5), Point(6, -7)))
BYTES = struct.pack("<Bii4siiiiBBBQ", 1, -2, 3, b"ab", 4, 5, 6, -7, 7, 8, 9, 1)


def test_nested_structures_and_arrays_follow_each_other_without_gaps() -> None:
    assert pack(VALUE) == BYTES
    assert sizeof(Nested) == len(BYTES) == 40


def test_unpacking_gives_the_same_types_back() -> None:
    found = unpack(Nested, b"??" + BYTES + b"more", 2)
    assert found == VALUE
    assert isinstance(found.at, Point)
    assert all(isinstance(point, Point) for point in found.line)


def test_fields_have_names_offsets_and_sizes() -> None:
    assert layout_of(Nested).fields == [
        Field("first", 0, 1),
        Field("at", 1, 8),
        Field("name", 9, 4),
        Field("line", 13, 16),
        Field("tail", 29, 3),
        Field("end", 32, 8),
    ]


def test_an_empty_structure_has_no_bytes() -> None:
    assert (pack(Empty()), unpack(Empty, b"x"), sizeof(Empty)) == (b"", Empty(), 0)


def test_a_layout_is_made_once() -> None:
    assert layout_of(Nested) is layout_of(Nested)


def test_too_few_bytes_and_too_large_numbers_are_errors() -> None:
    with pytest.raises(struct.error):
        unpack(Point, BYTES[:7])
    with pytest.raises(struct.error):
        pack(Point(1 << 31, 0))
