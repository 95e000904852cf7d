"""The walker of rings, against the specification's words: a table, a ring and an indirect table."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fuzz.reader import Reader
from tests.fuzz.target import Target
from tests.virtio.ring.test_split import (
    ANY,
    AVAIL,
    END,
    INDIRECT,
    TABLE,
    USED,
    Driver,
    serve_hostile,
    take_all,
)
from virtio.errors import QueueFault
from virtio.memory import GuestMemory, Region, SharedHandle
from virtio.ring import QueueConfig, SplitQueue

_HANDLE = SharedHandle.create(END)
_MEMORY = GuestMemory([Region(0, END // 2, _HANDLE, offset=END // 2), Region(END // 2, END // 2, _HANDLE)])
_TABLE_BYTES, _AVAIL_BYTES = 8 * 16, 2 * 8 + 4
_EXACT = 4


def run(data: bytes) -> None:
    """Byte 0: bits 0-1 features, bit 2 exact; byte 1: the queue's size. Then table, ring, indirect table."""
    reader = Reader(data)
    mode, size = reader.number(), 1 << reader.number() % 9
    features = ANY[mode & 3]
    for at, length in ((TABLE, _TABLE_BYTES), (AVAIL, _AVAIL_BYTES), (INDIRECT, 512)):
        _MEMORY.write(at, reader.take(length).ljust(length, b"\0"))
    _MEMORY.write(USED, bytes(16))
    if mode & _EXACT:
        config = QueueConfig(8, TABLE, AVAIL, USED)
        take_all(_MEMORY, SplitQueue(_MEMORY, config, features=features), features)
        return
    try:
        queue = SplitQueue(_MEMORY, QueueConfig(size, TABLE, AVAIL, USED), features=features)
    except QueueFault:
        return
    serve_hostile(queue)


def seeds() -> Iterator[bytes]:
    """Rings of an honest driver, with two requests each, whole and with one table's end missing."""
    for index, features in enumerate(ANY):
        with SharedHandle.create(END) as handle, GuestMemory([Region(0, END, handle)]) as memory:
            driver = Driver(memory, 8, features)
            for request in (b"abcd", b"efgh"):
                driver.submit(request)
            parts = [memory.read(TABLE, _TABLE_BYTES), memory.read(AVAIL, _AVAIL_BYTES)]
            image = b"".join([*parts, memory.read(INDIRECT, 512)])
            del driver
        for exact in (0, _EXACT):
            yield bytes([index | exact, 3]) + image
            yield bytes([index | exact, 3]) + image[:-470]


TARGET = Target(run, seeds, longest=700)
