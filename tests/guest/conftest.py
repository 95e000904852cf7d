"""A device in this process, and a driver on it: real rings, real shared memory, a display that records.

Types for annotations are imported from here under `TYPE_CHECKING` only; tests get objects from fixtures.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from guest.driver import GpuDriver, GuestRam
from virtio.fence import Fence
from virtio.gpu.device import GpuDevice
from virtio.gpu.display import CursorImage, DeferredTransfer, DisplayMode, Rect, ScanoutImage
from virtio.inproc import InProcessTransport


class RecordingDisplay:
    """A display that remembers what it was shown.

    Attributes:
        mode_list: What it says its modes are.
        images: What each scanout shows.
        frames: A copy of the pixels at each flush of scanout 0.
        resources: The resource at each flush of scanout 0.
        damages: What each flush named.
        cursors: (scanout, has a picture, x, y), for both cursor calls.
        hold: Answer flushes with fences, which collect in `fences`.
    """

    def __init__(self, modes: Sequence[DisplayMode] = (DisplayMode(160, 120),)) -> None:
        self.mode_list = list(modes)
        self.images: dict[int, ScanoutImage | None] = {}
        self.frames: list[NDArray[np.uint8]] = []
        self.resources: list[int] = []
        self.damages: list[Rect] = []
        self.cursors: list[tuple[int, bool | None, int, int]] = []
        self.fences: list[Fence] = []
        self.hold = False

    def modes(self) -> Sequence[DisplayMode]:
        return self.mode_list

    def set_scanout(self, scanout_id: int, image: ScanoutImage | None) -> None:
        self.images[scanout_id] = image

    def flush(self, scanout_id: int, damage: Rect, incoming: DeferredTransfer | None = None) -> Fence | None:
        if incoming is not None:
            incoming.finish()
        image = self.images[scanout_id]
        assert image is not None
        self.frames.append(image.pixels.copy())
        self.resources.append(image.resource_id)
        self.damages.append(damage)
        if not self.hold:
            return None
        self.fences.append(Fence(scanout_id, len(self.fences)))
        return self.fences[-1]

    def set_cursor(self, scanout_id: int, image: CursorImage | None, x: int, y: int) -> None:
        self.cursors.append((scanout_id, image is not None, x, y))

    def move_cursor(self, scanout_id: int, x: int, y: int) -> None:
        self.cursors.append((scanout_id, None, x, y))


class Polled(InProcessTransport):
    """The transport of a driver that polls after each kick: what it asked for is there in the next line."""

    def kick(self, index: int) -> None:
        super().kick(index)
        self.poll()


@dataclass
class Rig:
    """A driver, not probed yet, and all that it sits on."""

    display: RecordingDisplay
    device: GpuDevice
    ram: GuestRam
    transport: InProcessTransport
    driver: GpuDriver
    faults: list[str] = field(default_factory=list)


@pytest.fixture
def display() -> RecordingDisplay:
    return RecordingDisplay()


@pytest.fixture
def device(display: RecordingDisplay) -> GpuDevice:
    return GpuDevice(display)


@pytest.fixture
def rig(display: RecordingDisplay, device: GpuDevice) -> Iterator[Rig]:
    with GuestRam(32 << 20, seed=3) as ram, Polled(device, ram.memory) as transport:
        rig = Rig(display, device, ram, transport, GpuDriver(transport, ram))
        transport.on_fault = rig.faults.append
        yield rig
        rig.driver.close()


def _held() -> tuple[int, list[str]]:
    """Open descriptors, and mappings of shared memory, of this process."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    return len(list(Path("/proc/self/fd").iterdir())), [line for line in maps if "memfd:" in line]


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Fails a test that leaves descriptors or mappings of guest memory behind."""
    gc.collect()  # what a test before this one held in a traceback
    before = _held()
    yield
    assert _held() == before
