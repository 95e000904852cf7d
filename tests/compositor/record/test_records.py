"""Records as bytes, and back."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compositor.errors import BadInput
from compositor.record.records import CommandRecord, ContentRecord, FrameRecord, Kind, Record, decode

u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
subjects = st.integers(0, 2**16 - 1)
records = st.builds(Record, st.sampled_from(Kind), subjects, u64, st.binary(max_size=50), st.just(b""))
commands = st.builds(
    CommandRecord, st.integers(0, 255), u32, u32, st.binary(max_size=50), st.binary(max_size=50)
).filter(lambda command: command.size + command.room > 0)


@given(st.lists(records, max_size=5))
def test_records_come_back(stream: list[Record]) -> None:
    assert list(decode(b"".join(part for record in stream for part in record.encode()))) == stream


@given(commands)
def test_commands_come_back(command: CommandRecord) -> None:
    assert CommandRecord.decode(command.encode()) == command


@given(u32, st.lists(st.tuples(u64, st.integers(0, 20)), max_size=4), st.data())
def test_content_comes_back(resource: int, extents: list[tuple[int, int]], data: st.DataObject) -> None:
    size = sum(length for _, length in extents)
    content = ContentRecord(resource, extents, data.draw(st.binary(min_size=size, max_size=size)))
    (record,) = decode(b"".join(content.record(3, 5).encode()))
    assert record[:3] == (Kind.CONTENT, 3, 5)
    assert ContentRecord.decode(record.payload) == content


@given(st.builds(FrameRecord, u32, u32, u32, u64))
def test_frames_come_back(frame: FrameRecord) -> None:
    assert FrameRecord.decode(frame.encode()) == frame


@given(st.binary(max_size=60))
def test_no_bytes_at_all_raise_anything_but_bad_input(garbage: bytes) -> None:
    for parse in (
        CommandRecord.decode,
        ContentRecord.decode,
        FrameRecord.decode,
        lambda data: list(decode(data)),
    ):
        with contextlib.suppress(BadInput):
            parse(garbage)


def test_an_unknown_kind_is_named() -> None:
    encoded = bytearray(b"".join(Record(Kind.END, 0, 0).encode()))
    encoded[0] = 99
    with pytest.raises(BadInput, match="kind 99"):
        list(decode(bytes(encoded)))
