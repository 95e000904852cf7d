"""A device in a thread of its own, with its real server, rings and commands: whole, or with one thing broken.

Types for annotations are imported from here under `TYPE_CHECKING` only; tests get objects from fixtures.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from compositor.conform.check import REGISTER, choose
from compositor.conform.checks import load
from compositor.conform.display import SCANOUT, UPDATE
from compositor.conform.suite import Verdict, play
from compositor.conform.target import ListeningTarget
from virtio.fence import Fence
from virtio.gpu.device import GpuDevice
from virtio.gpu.display import CursorImage, DeferredTransfer, DisplayMode, Rect, ScanoutImage
from virtio.vhost_user.connection import Connection
from virtio.vhost_user.messages import Message
from virtio.vhost_user.server import VhostUserServer

load()


class SentDisplay:
    """Shows its pictures as QEMU's own back end does: in messages on the display socket."""

    def __init__(self, connection: Callable[[], Connection | None]) -> None:
        self._connection = connection
        self._images: dict[int, ScanoutImage] = {}

    def modes(self) -> Sequence[DisplayMode]:
        return [DisplayMode(640, 480), DisplayMode(800, 600, x=640)]

    def set_scanout(self, scanout_id: int, image: ScanoutImage | None) -> Fence | None:
        self._images.pop(scanout_id, None)
        if image is not None:
            self._images[scanout_id] = image
            height, width = image.pixels.shape[:2]
            self._send(SCANOUT, [scanout_id, width, height])
        return None

    def flush(self, scanout_id: int, damage: Rect, incoming: DeferredTransfer | None = None) -> Fence | None:
        if incoming is not None:
            incoming.finish()
        x, y, width, height = damage
        pixels = self._images[scanout_id].pixels[y : y + height, x : x + width]
        self._send(UPDATE, [scanout_id, x, y, width, height], pixels.tobytes())
        return None

    def _send(self, request: int, numbers: Sequence[int], data: bytes = b"") -> None:
        connection = self._connection()
        stream = None if connection is None else connection._gpu_stream
        if stream is not None:
            payload = np.array(numbers, np.uint32).tobytes() + data
            stream.send(Message(request, payload, flags=0).encode())

    def set_cursor(self, scanout_id: int, image: CursorImage | None, x: int, y: int) -> None:
        """Cursors are not shown."""

    def move_cursor(self, scanout_id: int, x: int, y: int) -> None:
        """Cursors are not shown."""


class Device:
    """A running device.

    Attributes:
        path: Where it listens.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._listens = threading.Event()
        self._thread.start()
        assert self._listens.wait(10)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server: VhostUserServer

        def make() -> GpuDevice:
            return GpuDevice(SentDisplay(lambda: server._live))

        async with VhostUserServer(self.path, make, on_error=lambda _line: None) as server:
            self._listens.set()
            await self._stop.wait()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


Judge = Callable[..., list[Verdict]]


@pytest.fixture
def judge(tmp_path: Path) -> Iterator[Judge]:
    """Plays checks against a device whose classes may have been patched before."""
    started: list[Device] = []

    def play_checks(*names: str, seconds: float = 20.0) -> list[Verdict]:
        checks = [REGISTER[name] for name in names] if names else list(choose([]))
        device = Device(tmp_path / f"device-{len(started)}")
        started.append(device)
        return list(play(checks, ListeningTarget(device.path), seconds))

    yield play_checks
    for device in started:
        device.close()
