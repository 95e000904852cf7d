"""The config space."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtio.gpu.config import ConfigSpace
from virtio.gpu.wire import Event


@pytest.fixture
def config() -> ConfigSpace:
    return ConfigSpace(3)


def test_it_holds_events_and_the_number_of_scanouts(config: ConfigSpace) -> None:
    assert struct.unpack("<4I", config.read(0, 16)) == (0, 0, 3, 0)
    config.raise_event(Event.DISPLAY)
    assert struct.unpack("<4I", config.read(0, 16)) == (1, 0, 3, 0)


def test_it_can_be_read_in_parts_and_beyond_its_end(config: ConfigSpace) -> None:
    assert config.read(8, 4) == b"\3\0\0\0"
    assert config.read(8, 16) == b"\3" + bytes(15)
    assert config.read(100, 4) == bytes(4)


def test_writing_events_clear_clears_them_and_reads_as_zero(config: ConfigSpace) -> None:
    config.raise_event(Event.DISPLAY)
    config.write(4, b"\1\0\0\0")
    assert config.read(0, 16) == struct.pack("<4I", 0, 0, 3, 0)


@pytest.mark.parametrize(
    ("offset", "data"), [(0, b"\1\0\0\0\1"), (3, b"\xff\xff"), (4, b"\1"), (2, b"\0\0\xff")]
)
def test_writes_that_overlap_events_clear_count_where_they_do(
    config: ConfigSpace, offset: int, data: bytes
) -> None:
    config.raise_event(Event.DISPLAY)
    config.write(offset, data)
    assert config.read(0, 4) == bytes(4)


@pytest.mark.parametrize(
    ("offset", "data"),
    [(0, b"\xff" * 4), (4, b"\xfe\xff\xff\xff"), (5, b"\xff" * 3), (8, b"\xff" * 8), (99, b"\1")],
)
def test_other_writes_change_nothing(config: ConfigSpace, offset: int, data: bytes) -> None:
    config.raise_event(Event.DISPLAY)
    config.write(offset, data)
    assert struct.unpack("<4I", config.read(0, 16)) == (1, 0, 3, 0)


def test_pending_events_can_be_forgotten(config: ConfigSpace) -> None:
    config.raise_event(Event.DISPLAY)
    config.clear_events()
    assert config.read(0, 4) == bytes(4)


@given(st.integers(0, 40), st.binary(max_size=40))
def test_no_write_does_harm(offset: int, data: bytes) -> None:
    config = ConfigSpace(1)
    config.raise_event(Event.DISPLAY)
    config.write(offset, data)
    assert struct.unpack("<4I", config.read(0, 16)) in [(0, 0, 1, 0), (1, 0, 1, 0)]
