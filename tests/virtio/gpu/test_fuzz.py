"""A hostile driver: whatever it sends, the device answers legally, counts right, and gives all back."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.virtio.gpu.oracle import HIGH, LIMITS, Driven
from virtio.gpu.display import DisplayMode
from virtio.gpu.layout import pack
from virtio.gpu.wire import (
    CONTROL_QUEUE,
    CURSOR_QUEUE,
    REQUESTS,
    BlobMem,
    Command,
    Header,
    pack_entries,
)
from virtio.memory import PAGE

if TYPE_CHECKING:
    from tests.virtio.gpu.conftest import Machine, MakeMachine

# By a field's name: numbers that mean something, so that commands get far and meet each other's resources.
USUAL: dict[str, Sequence[Any]] = {
    "resource_id": range(1, 7),
    "scanout_id": (0, 0, 0, 1, 1, 2),
    "scanout": (0, 1, 2),
    "format": (1, 2, 3, 4, 67, 68, 121, 134, 5),
    "x": (0, 0, 0, 1, 16),
    "y": (0, 0, 0, 1, 16),
    "width": (16, 32, 32, 32, 64),
    "height": (16, 16, 16, 32, 64),
    "blob_mem": (1, 1, 1, 2),
    "blob_flags": range(8),
    "offset": (0, 0, PAGE, 100),
    "strides": ((128, 0, 0, 0), (256, 1, 1, 1), (300, 0, 0, 0)),
    "offsets": ((0, 0, 0, 0), (0, 9, 9, 9), (100, 0, 0, 0), (PAGE, 0, 0, 0)),
}
# Ids that a command mostly names, so that images and blobs are mostly what it wants.
IDS = {
    Command.RESOURCE_CREATE_2D: (1, 2, 3),
    Command.TRANSFER_TO_HOST_2D: (1, 2, 3),
    Command.SET_SCANOUT: (1, 2, 3),
    Command.RESOURCE_CREATE_BLOB: (4, 5, 6),
    Command.SET_SCANOUT_BLOB: (4, 5, 6),
    Command.RESOURCE_MAP_BLOB: (4, 5, 6),
}
EDGES = (0, 1, 15, 16, 63, 64, 65, PAGE, 4 * PAGE, 1 << 31, (1 << 32) - 64, (1 << 32) - 1)
OFTEN = (
    *[Command.RESOURCE_CREATE_2D, Command.RESOURCE_UNREF, Command.TRANSFER_TO_HOST_2D] * 3,
    *[Command.RESOURCE_ATTACH_BACKING, Command.RESOURCE_DETACH_BACKING, Command.RESOURCE_MAP_BLOB] * 2,
    *[Command.SET_SCANOUT, Command.UPDATE_CURSOR] * 4,
    *[Command.RESOURCE_CREATE_BLOB, Command.SET_SCANOUT_BLOB, Command.RESOURCE_FLUSH] * 8,
)


class HostileDriver(Random):
    """Requests that mean something, or were damaged on the way, or are noise."""

    def request(self) -> bytes:
        """One request."""
        kind = self.randrange(24)
        if kind == 0:
            return self.randbytes(self.randrange(120))
        command = self.choice((*Command, *OFTEN))
        runs = [self.run() for _ in range(self.randrange(6))]
        if self.random() < 0.02:
            runs = [(HIGH, PAGE)] * self.choice((LIMITS.entries, LIMITS.entries + 1))
        body = self.body(REQUESTS[command], strange=0.02 if kind < 20 else 0.3)
        if command in IDS and self.random() < 0.9:
            body = body._replace(resource_id=self.choice(IDS[command]))
        if "nr_entries" in body._fields and kind != 1:
            body = body._replace(nr_entries=len(runs))
        if command == Command.RESOURCE_CREATE_BLOB and kind != 2:
            body = self.blob(body, runs)
        flags = self.choice((0, 0, 1, 1, 1, 3, 2, (1 << 32) - 1))
        ring_idx = self.choice((0, 0, 0, 1, 63, 64, 255))
        header = Header(command, flags, self.getrandbits(64), self.randrange(2), ring_idx)
        request = bytearray(pack(header) + pack(body) + pack_entries(runs))
        if kind == 3:
            request[self.randrange(len(request))] = self.getrandbits(8)
        return bytes(request[: self.randrange(len(request))] if kind == 4 else request)

    def blob(self, body: Any, runs: Sequence[tuple[int, int]]) -> Any:
        """A blob whose size is that of its entries, or a host blob without any."""
        if body.blob_mem == BlobMem.HOST3D:
            return body._replace(nr_entries=0, size=self.choice((PAGE, 4 * PAGE, 1 << 20)))
        return body._replace(size=sum(length for _, length in runs))

    def run(self) -> tuple[int, int]:
        """A memory entry: mostly whole pages of the guest's."""
        if self.random() < 0.03:
            return self.choice(EDGES), self.choice(EDGES)
        inside = 8 if self.random() < 0.1 else 0
        length = self.choice((PAGE, PAGE, PAGE, 4 * PAGE, 4 * PAGE, 8 * PAGE, 24, 0))
        return HIGH + self.randrange(40) * PAGE + inside, length

    def body(self, kind: type[Any], strange: float) -> Any:
        """A structure of numbers that are strange with that probability."""
        hints = get_type_hints(kind, include_extras=True)
        return kind(*[self.value(name, hint, strange) for name, hint in hints.items()])

    def value(self, name: str, hint: Any, strange: float) -> Any:
        """A field's value."""
        if isinstance(hint, type):
            return self.body(hint, strange)
        description = get_args(hint)[1]
        if description == "i":
            return self.randrange(-(1 << 31), 1 << 31)
        if isinstance(description, str) and description.endswith("s"):
            return b""
        if not isinstance(description, str):
            return self.choice(USUAL[name])
        if self.random() < strange or name not in USUAL:
            return self.choice((*EDGES, self.getrandbits(32)))
        return self.choice(USUAL[name])


@pytest.fixture(scope="module")
def hostile(make_machine_once: MakeMachine) -> Machine:
    """Two scanouts, host memory, and little of everything."""
    machine = make_machine_once([DisplayMode(64, 64)] * 2, limits=LIMITS, host_memory=True)
    machine.display.hold = True
    return machine


@settings(max_examples=100)
@given(seed=st.integers(0, 1 << 64))
def test_no_driver_can_do_harm(hostile: Machine, seed: int) -> None:
    driver, driven = HostileDriver(seed), Driven(hostile)
    for _ in range(150):
        request = driver.request()
        is_cursor = len(request) > 1 and request[1] == Command.UPDATE_CURSOR >> 8
        queue = CURSOR_QUEUE if is_cursor ^ (driver.random() < 0.05) else CONTROL_QUEUE
        driven.step(request, queue, signal=driver.random() < 0.1)
    driven.end()
