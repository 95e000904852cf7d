"""A vhost-user virtio-gpu device of one's own: `my_device.py SOCKET`.

It is made of the package `virtio`, and has two screens that show nothing to people: it keeps what was flushed
last, as the display of a VMM would before it draws it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from virtio.fence import Fence
from virtio.gpu.device import GpuDevice
from virtio.gpu.display import CursorImage, DeferredTransfer, DisplayMode, Rect, ScanoutImage
from virtio.vhost_user.server import VhostUserServer


class KeptScreens:
    """What the guest's scanouts are connected to; see `virtio.gpu.display.Display`.

    Attributes:
        kept: What each scanout showed at its last flush: (height, width, 4) uint8.
    """

    def __init__(self) -> None:
        self._shown: dict[int, ScanoutImage] = {}
        self.kept: dict[int, np.ndarray] = {}

    def modes(self) -> Sequence[DisplayMode]:
        """One beside the other."""
        return [DisplayMode(800, 600, name="left"), DisplayMode(640, 480, x=800, name="right")]

    def set_scanout(self, scanout_id: int, image: ScanoutImage | None) -> Fence | None:
        """The next flush shows it."""
        if image is None:
            self._shown.pop(scanout_id, None)
            self.kept.pop(scanout_id, None)
        else:
            self._shown[scanout_id] = image
        return None

    def flush(self, scanout_id: int, damage: Rect, incoming: DeferredTransfer | None = None) -> Fence | None:
        """Keep a copy; the guest's buffer is free at once, so that no fence is needed."""
        del damage  # all of it is copied
        if incoming is not None:
            incoming.finish()
        self.kept[scanout_id] = self._shown[scanout_id].pixels.copy()
        return None

    def set_cursor(self, scanout_id: int, image: CursorImage | None, x: int, y: int) -> None:
        """Cursors are not kept."""

    def move_cursor(self, scanout_id: int, x: int, y: int) -> None:
        """Cursors are not kept."""


async def main(path: str) -> None:
    """Serve one VMM after the other, until SIGTERM."""
    complain = lambda line: print(f"my_device: {line}", file=sys.stderr, flush=True)  # noqa: E731
    async with VhostUserServer(Path(path), lambda: GpuDevice(KeptScreens()), on_error=complain) as server:
        await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
