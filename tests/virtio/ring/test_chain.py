"""`virtio.ring.chain`: the walk, its faults, and the two byte streams of a chain."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from virtio.errors import QueueFault
from virtio.memory import GuestMemory, Region, SharedHandle
from virtio.ring.chain import MAX_TABLE, Walker
from virtio.ring.layout import DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE, DESCRIPTOR

SIZE = 8
TABLE, INDIRECT, BUFFER, BORDER, END = 0x0, 0x4000, 0xA000, 0x1_0000, 0x2_0000
NEXT, WRITE, TO_TABLE = DESC_F_NEXT, DESC_F_WRITE, DESC_F_INDIRECT


class Descriptor(NamedTuple):
    address: int = BUFFER
    length: int = 4
    flags: int = 0
    next: int = 0


def put(memory: GuestMemory, table: int, *descriptors: Descriptor) -> None:
    memory.write(table, b"".join(DESCRIPTOR.pack(*descriptor) for descriptor in descriptors))


def walker(memory: GuestMemory, *descriptors: Descriptor, indirect: bool = True) -> Walker:
    put(memory, TABLE, *descriptors)
    return Walker(memory, memory.view(TABLE, 16 * SIZE), indirect=indirect)


def lengths(buffers: list[memoryview]) -> list[int]:
    return [len(buffer) for buffer in buffers]


def test_a_chain_is_followed_through_the_table(memory: GuestMemory) -> None:
    chain = walker(
        memory,
        Descriptor(BUFFER, 3, NEXT, 5),
        *[Descriptor(END, 1)] * 2,
        Descriptor(BUFFER + 9, 7, WRITE),
        Descriptor(END, 1),
        Descriptor(BUFFER + 3, 5, NEXT | WRITE, 3),
    ).walk(0)
    assert chain.head == 0
    assert (lengths(chain.readable), chain.readable_size) == ([3], 3)
    assert (lengths(chain.writable), chain.writable_size) == ([5, 7], 12)
    assert repr(chain) == "<Chain 0: 3 bytes in, 12 bytes out>"


def test_a_chain_may_use_every_descriptor_of_the_queue(memory: GuestMemory) -> None:
    descriptors = [Descriptor(BUFFER, 1, NEXT, n + 1) for n in range(SIZE - 1)]
    assert walker(memory, *descriptors, Descriptor()).walk(0).readable_size == SIZE + 3


def test_a_buffer_may_lie_across_adjoining_regions(memory: GuestMemory) -> None:
    memory.write(BORDER - 2, b"hello")
    chain = walker(memory, Descriptor(BORDER - 2, 5, NEXT, 1), Descriptor(BORDER - 3, 4, WRITE)).walk(0)
    assert lengths(chain.readable) == [2, 3]
    assert chain.read(99) == b"hello"
    assert chain.write(b"HELLO") == 4
    assert memory.read(BORDER - 3, 5) == b"HELLl"


def test_the_last_descriptor_may_name_an_indirect_table(memory: GuestMemory) -> None:
    put(memory, INDIRECT, Descriptor(BUFFER, 48, NEXT, 2), Descriptor(END), Descriptor(BUFFER, 24, WRITE))
    chain = walker(memory, Descriptor(BUFFER, 7, NEXT, 1), Descriptor(INDIRECT, 48, TO_TABLE)).walk(0)
    assert (lengths(chain.readable), lengths(chain.writable)) == ([7, 48], [24])


def test_the_write_flag_of_an_indirect_descriptor_means_nothing(memory: GuestMemory) -> None:
    put(memory, INDIRECT, Descriptor(BUFFER, 48))
    assert walker(memory, Descriptor(INDIRECT, 16, TO_TABLE | WRITE)).walk(0).readable_size == 48


def test_an_indirect_table_may_lie_across_adjoining_regions(memory: GuestMemory) -> None:
    put(
        memory,
        BORDER - 24,
        Descriptor(BUFFER, 1, NEXT, 1),
        Descriptor(BUFFER, 2, NEXT, 2),
        Descriptor(BUFFER, 3),
    )
    assert walker(memory, Descriptor(BORDER - 24, 48, TO_TABLE)).walk(0).readable_size == 6


def test_an_indirect_chain_may_be_longer_than_the_queue(memory: GuestMemory) -> None:
    count = 290  # what Linux was seen to send
    put(memory, INDIRECT, *[Descriptor(BUFFER, 16, NEXT, n + 1) for n in range(count - 1)], Descriptor())
    chain = walker(memory, Descriptor(INDIRECT, 16 * count, TO_TABLE)).walk(0)
    assert len(chain.readable) == count


def test_a_direct_chain_may_be_as_long_as_qemus_longest_queue_and_no_longer(memory: GuestMemory) -> None:
    count = 2 * MAX_TABLE
    put(memory, TABLE, *[Descriptor(BUFFER, 1, NEXT, n + 1) for n in range(count - 1)], Descriptor())
    walk = Walker(memory, memory.view(TABLE, 16 * count), indirect=False).walk
    assert len(walk(count - MAX_TABLE).readable) == MAX_TABLE
    with pytest.raises(QueueFault, match="longer than its queue or table allows"):
        walk(count - MAX_TABLE - 1)


@pytest.mark.parametrize(
    ("descriptors", "message"),
    [
        ([Descriptor(flags=NEXT, next=0)], "loops, or is longer"),
        ([Descriptor(flags=NEXT, next=1), Descriptor(flags=NEXT, next=0)], "loops, or is longer"),
        ([Descriptor(flags=NEXT, next=SIZE)], "descriptor 8 is not one of the 8"),
        ([Descriptor(flags=NEXT, next=0xFFFF)], "descriptor 65535 is not one of the 8"),
        ([Descriptor(length=0)], "descriptor 0 has no bytes"),
        ([Descriptor(INDIRECT, 0, TO_TABLE)], "descriptor 0 has no bytes"),
        ([Descriptor(flags=NEXT | WRITE, next=1), Descriptor()], "descriptor 1 is readable after a writable"),
        ([Descriptor(END, 1)], "no memory region holds 0x1 bytes at guest address 0x20000"),
        ([Descriptor(END - 1, 2)], "no memory region holds 0x2 bytes"),
        ([Descriptor((1 << 64) - 1, 0xFFFF_FFFF, WRITE)], "no memory region holds 0xffffffff bytes"),
        ([Descriptor(INDIRECT, 16, TO_TABLE | NEXT)], "an indirect descriptor has a successor"),
        ([Descriptor(INDIRECT, 24, TO_TABLE)], "24 bytes are no indirect table"),
        ([Descriptor(INDIRECT, 0xFFFF_FFF0, TO_TABLE)], "4294967280 bytes are no indirect table"),
        ([Descriptor(END, 16, TO_TABLE)], "no memory region holds 0x10 bytes"),
    ],
)
def test_a_malformed_chain_is_a_fault_of_the_queue(
    memory: GuestMemory, descriptors: list[Descriptor], message: str
) -> None:
    with pytest.raises(QueueFault, match=f"chain 0: .*{message}"):
        walker(memory, *descriptors).walk(0)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([Descriptor(flags=NEXT, next=1), Descriptor(flags=NEXT, next=1)], "loops, or is longer"),
        ([Descriptor(flags=NEXT, next=2), Descriptor()], "descriptor 2 is not one of the 2"),
        ([Descriptor(INDIRECT, 16, TO_TABLE)], "an indirect table names another"),
        ([Descriptor(length=0)], "has no bytes"),
    ],
)
def test_a_malformed_indirect_table_is_a_fault_of_the_queue(
    memory: GuestMemory, table: list[Descriptor], message: str
) -> None:
    put(memory, INDIRECT, *table)
    with pytest.raises(QueueFault, match=message):
        walker(memory, Descriptor(INDIRECT, 16 * len(table), TO_TABLE)).walk(0)


@pytest.mark.parametrize("head", [SIZE, 0xFFFF])
def test_a_head_outside_the_table_is_a_fault(memory: GuestMemory, head: int) -> None:
    with pytest.raises(QueueFault, match=f"descriptor {head} is not one of the 8"):
        walker(memory).walk(head)


def test_an_indirect_descriptor_that_was_not_negotiated_is_a_fault(memory: GuestMemory) -> None:
    put(memory, INDIRECT, Descriptor())
    with pytest.raises(QueueFault, match="INDIRECT_DESC was not negotiated"):
        walker(memory, Descriptor(INDIRECT, 16, TO_TABLE), indirect=False).walk(0)


def test_an_endless_indirect_chain_is_left_at_the_limit(memory: GuestMemory) -> None:
    count = MAX_TABLE + 1
    put(memory, INDIRECT, *[Descriptor(BUFFER, 1, NEXT, n + 1) for n in range(count - 1)], Descriptor())
    with pytest.raises(QueueFault, match="longer than its queue or table allows"):
        walker(memory, Descriptor(INDIRECT, 16 * count, TO_TABLE)).walk(0)
    put(memory, INDIRECT + 16 * (MAX_TABLE - 1), Descriptor(BUFFER, 1))
    assert walker(memory, Descriptor(INDIRECT, 16 * count, TO_TABLE)).walk(0).readable_size == MAX_TABLE


def test_chains_longer_than_four_gigabytes_are_faults() -> None:
    half, base = 1 << 31, 1 << 32
    with (
        SharedHandle.create(half) as sparse,
        SharedHandle.create(0x1000) as small,
        GuestMemory([Region(0, 0x1000, small), Region(base, half, sparse)]) as memory,
    ):
        two = [Descriptor(base, half, NEXT, 1), Descriptor(base, half, NEXT | WRITE, 2)]
        with pytest.raises(QueueFault, match=r"longer than 2\^32 bytes"):
            walker(memory, *two, Descriptor(0, 1, WRITE)).walk(0)
        two[1] = Descriptor(base, half, WRITE)
        chain = walker(memory, *two).walk(0)
        assert chain.readable_size + chain.writable_size == 1 << 32
        assert chain.read(5) == bytes(5)


@pytest.mark.parametrize(
    ("limit", "expected"), [(0, b""), (2, b"ab"), (3, b"abc"), (4, b"abcd"), (99, b"abcdef")]
)
@pytest.mark.parametrize("cut", [(6,), (3, 3), (1, 2, 3)])
def test_reading_stops_at_the_limit_however_the_stream_is_cut(
    memory: GuestMemory, cut: tuple[int, ...], limit: int, expected: bytes
) -> None:
    memory.write(BUFFER, b"abcdef")
    starts = [BUFFER + sum(cut[:n]) for n in range(len(cut))]
    descriptors = [
        Descriptor(start, size, NEXT, n + 1) for n, (start, size) in enumerate(zip(starts, cut, strict=True))
    ]
    descriptors[-1] = descriptors[-1]._replace(flags=0)
    assert walker(memory, *descriptors).walk(0).read(limit) == expected


def test_what_was_read_is_a_copy(memory: GuestMemory) -> None:
    memory.write(BUFFER, b"good")
    data = walker(memory, Descriptor()).walk(0).read(4)
    memory.write(BUFFER, b"evil")
    assert data == b"good"


def test_a_chain_without_buffers_of_one_kind_reads_or_writes_nothing(memory: GuestMemory) -> None:
    assert walker(memory, Descriptor()).walk(0).write(b"answer") == 0
    assert walker(memory, Descriptor(flags=WRITE)).walk(0).read(99) == b""


def test_writing_fills_buffer_after_buffer(memory: GuestMemory) -> None:
    chain = walker(memory, Descriptor(BUFFER, 2, NEXT | WRITE, 1), Descriptor(BUFFER + 8, 3, WRITE)).walk(0)
    assert chain.write(b"") == 0
    assert chain.write(b"abc") == 3
    assert (memory.read(BUFFER, 2), memory.read(BUFFER + 8, 3)) == (b"ab", b"c\0\0")
    assert chain.write(b"123456789") == 5
    assert (memory.read(BUFFER, 3), memory.read(BUFFER + 8, 4)) == (b"12\0", b"345\0")


flags = st.sampled_from([0, NEXT, WRITE, NEXT | WRITE, TO_TABLE, TO_TABLE | NEXT]) | st.integers(0, 0xFFFF)
addresses = st.sampled_from([TABLE, INDIRECT, BUFFER, BORDER - 8, END - 16]) | st.integers(0, (1 << 64) - 1)
sizes = st.sampled_from([0, 1, 16, 32, 48]) | st.integers(0, 0xFFFF_FFFF)
descriptors = st.builds(Descriptor, addresses, sizes, flags, st.integers(0, SIZE) | st.integers(0, 0xFFFF))
tables = st.lists(descriptors, min_size=1, max_size=SIZE)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(tables, tables, st.booleans(), st.integers(0, SIZE))
def test_whatever_a_guest_writes_the_walk_ends_in_a_chain_or_a_fault(
    memory: GuestMemory, table: list[Descriptor], more: list[Descriptor], indirect: bool, head: int
) -> None:
    put(memory, INDIRECT, *more)
    walk = walker(memory, *table, indirect=indirect).walk
    try:
        chain = walk(head)
    except QueueFault:
        return
    buffers = chain.readable + chain.writable
    assert 0 < len(buffers) <= 2 * (SIZE + MAX_TABLE)
    assert all(len(buffer) for buffer in buffers)
    assert sum(lengths(chain.readable)) == chain.readable_size
    assert sum(lengths(chain.writable)) == chain.writable_size
