"""virtio-gpu commands through a device, against the oracle of hostile drivers."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fuzz.reader import Reader, block
from tests.fuzz.target import Target
from tests.virtio.gpu.conftest import Machine
from tests.virtio.gpu.oracle import LIMITS, Driven
from tests.virtio.gpu.test_fuzz import HostileDriver
from virtio.gpu.display import DisplayMode, Rect
from virtio.gpu.wire import (
    CONTROL_QUEUE,
    CURSOR_QUEUE,
    Command,
    ResourceAttachBacking,
    ResourceCreate2d,
    ResourceFlush,
    SetScanout,
    TransferToHost2d,
)

_STEPS = 24
_CURSOR, _SIGNAL = 1, 2
_MACHINE = Machine([DisplayMode(64, 64)] * 2, limits=LIMITS, host_memory=True)
_MACHINE.display.hold = True


def run(data: bytes) -> None:
    """Steps: a byte (bit 0 the cursor queue, bit 1 the display signals), and a request."""
    reader, driven = Reader(data), Driven(_MACHINE)
    _MACHINE.display.calls.clear()
    try:
        for _ in range(_STEPS):
            if not reader:
                break
            how = reader.number()
            queue = CURSOR_QUEUE if how & _CURSOR else CONTROL_QUEUE
            driven.step(reader.block(), queue, signal=bool(how & _SIGNAL))
    finally:
        driven.end()


def step(request: bytes, how: int = 0) -> bytes:
    """A request as a step."""
    return bytes([how]) + block(request)


def seeds() -> Iterator[bytes]:
    """One frame as Linux shows it, and what the hostile driver sends, cut to a few requests each."""
    rect, runs = Rect(0, 0, 32, 32), _MACHINE.pages(0)
    frame = [
        (Command.RESOURCE_CREATE_2D, ResourceCreate2d(1, 2, 32, 32), ()),
        (Command.RESOURCE_ATTACH_BACKING, ResourceAttachBacking(1, 1), runs),
        (Command.SET_SCANOUT, SetScanout(rect, 0, 1), ()),
        (Command.TRANSFER_TO_HOST_2D, TransferToHost2d(rect, 0, 1), ()),
        (Command.RESOURCE_FLUSH, ResourceFlush(rect, 1), ()),
    ]
    honest = b"".join(step(_MACHINE.request(*parts, flags=1)) for parts in frame)
    yield honest
    yield honest + step(_MACHINE.request(Command.GET_DISPLAY_INFO), _SIGNAL)
    for number in range(40):
        driver = HostileDriver(number)
        yield b"".join(step(driver.request(), driver.randrange(4)) for _ in range(8))


TARGET = Target(run, seeds, longest=1500)
