"""Numbers and sizes as virtio 1.3, 5.7 gives them, and structures that survive the wire."""

from __future__ import annotations

import struct
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtio.gpu import wire
from virtio.gpu.layout import U32, layout_of, pack, sizeof, unpack
from virtio.gpu.wire import HEADER_SIZE, REQUESTS, RESPONSES, Command, Header, MemEntry, Response

REQUEST_SIZES = {
    0x0100: 24,
    0x0101: 40,
    0x0102: 32,
    0x0103: 48,
    0x0104: 48,
    0x0105: 56,
    0x0106: 32,
    0x0107: 32,
    0x0108: 32,
    0x0109: 32,
    0x010A: 32,
    0x010B: 32,
    0x010C: 56,
    0x010D: 96,
    0x0200: 96,
    0x0201: 24,
    0x0202: 32,
    0x0203: 32,
    0x0204: 72,
    0x0205: 72,
    0x0206: 72,
    0x0207: 32,
    0x0208: 40,
    0x0209: 32,
    0x0300: 56,
    0x0301: 56,
}
RESPONSE_SIZES = {0x1101: 408, 0x1102: 40, 0x1104: 1056, 0x1105: 40, 0x1106: 32}

STRUCTURES: list[type[Any]] = sorted(
    {Header, MemEntry, wire.Config, *REQUESTS.values(), *RESPONSES.values()}, key=lambda kind: kind.__name__
)


def test_every_request_has_its_size() -> None:
    assert {int(command): HEADER_SIZE + sizeof(kind) for command, kind in REQUESTS.items()} == REQUEST_SIZES
    assert set(REQUESTS) == set(Command)


def test_every_response_with_a_body_has_its_size() -> None:
    assert {int(kind): HEADER_SIZE + sizeof(body) for kind, body in RESPONSES.items()} == RESPONSE_SIZES
    assert set(RESPONSES) < set(Response)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Every value that a field of this annotation can have."""
    if isinstance(hint, type):
        return structures(hint)
    description = get_args(hint)[1]
    if description in {"B", "I", "Q"}:
        return st.integers(0, 2 ** (8 * struct.calcsize("<" + description)) - 1)
    if description == "i":
        return st.integers(-(2**31), 2**31 - 1)
    if isinstance(description, str):
        length = struct.calcsize(description)
        return st.binary(min_size=length, max_size=length)
    item, length = description
    return st.tuples(*[values(U32) if item == "I" else structures(item)] * length)


def structures(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Every value of a structure."""
    return st.builds(kind, *[values(hint) for hint in get_type_hints(kind, include_extras=True).values()])


@pytest.mark.parametrize("kind", STRUCTURES, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_what_is_packed_is_unpacked(kind: type[Any], data: st.DataObject) -> None:
    value = data.draw(structures(kind))
    packed = pack(value)
    assert len(packed) == layout_of(kind).size
    assert unpack(kind, packed) == value


def test_a_cursor_left_of_the_screen_is_two_s_complement() -> None:
    packed = pack(wire.CursorPos(0, -1, -64))
    assert packed[4:12] == struct.pack("<II", 0xFFFF_FFFF, 0xFFFF_FFC0)


@given(
    runs=st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1)), max_size=9),
    tail=st.binary(),
)
def test_memory_entries_come_back_as_runs(runs: list[tuple[int, int]], tail: bytes) -> None:
    data = b"head" + wire.pack_entries(runs) + tail
    assert wire.unpack_entries(data, 4, len(runs)) == runs


@given(count=st.integers(1, 2**32 - 1), length=st.integers(0, 15))
def test_missing_memory_entries_are_an_error_whatever_their_number(count: int, length: int) -> None:
    data = bytes(16 * min(count - 1, 3) + length)
    with pytest.raises(struct.error, match=f"{count} memory entries"):
        wire.unpack_entries(data, 0, count)
