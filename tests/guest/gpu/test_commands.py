from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guest.gpu.commands import (
    HEADER_SIZE,
    Area,
    Blit,
    Call,
    Command,
    End,
    Fill,
    Store,
    Surface,
    decode,
    encode,
    size_of,
)
from guest.gpu.faults import BadCommand

SURFACE = Surface(0x1_2345_6000, 1920, 1080, 7680)


@pytest.mark.parametrize(
    "command",
    [
        End(),
        Call(1 << 33),
        Store(4096, 0xFFFF_FFFF),
        Fill(SURFACE, Area(1, 2, 3, 4), 0xFF00FF00),
        Blit(SURFACE, 5, 6, SURFACE, Area(1, 2, 3, 4), 1),
    ],
)
def test_a_command_lies_in_memory_and_comes_back(command: Command) -> None:
    data = encode(command)
    assert size_of(data[:HEADER_SIZE]) == len(data)
    assert decode(data) == command


def test_a_fill_has_these_bytes() -> None:
    data = encode(Fill(Surface(0x1000, 2, 3, 8), Area(4, 5, 6, 7), 0x11223344))
    assert data.hex() == "1000200000100000000000000200030008000000040005000600070044332211"


@given(st.binary(min_size=HEADER_SIZE, max_size=HEADER_SIZE))
def test_any_header_is_a_command_or_a_fault(header: bytes) -> None:
    try:
        size = size_of(header)
    except BadCommand:
        return
    assert isinstance(decode(header + bytes(size)), tuple)


def test_a_wrong_size_is_a_fault() -> None:
    header = bytearray(encode(End())[:HEADER_SIZE])
    header[2] += 1
    with pytest.raises(BadCommand, match="no command 0x01 of 5 bytes"):
        size_of(bytes(header))
