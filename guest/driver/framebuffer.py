"""Framebuffers: guest memory that the host's display device knows as a resource.

Without blob resources (the device does not offer them) a framebuffer is a 2D resource: before each flush the
host copies it, and SET_SCANOUT takes the place of SET_SCANOUT_BLOB.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from guest.driver.buffer import BufferMemory, DumbBuffer
from guest.driver.gpu import GpuDriver
from virtio.fence import Fence
from virtio.gpu.formats import BYTES_PER_PIXEL, Format
from virtio.gpu.wire import Feature, Rect


class Framebuffer:
    """Guest memory that can be drawn into and shown.

    Attributes:
        resource_id: Of the host's resource.
        runs: The pages, as the host knows them.
        pixels: (height, width, 4) uint8, writable: the guest's own contiguous view of these pages.
        reservation: The fences of the jobs that use these pages: the GPU's, where it draws.
    """

    def __init__(
        self,
        driver: GpuDriver,
        size: tuple[int, int],
        pixel_format: Format,
        make_memory: Callable[[int], BufferMemory] | None = None,
    ) -> None:
        """Allocate or import it.

        Args:
            driver: Of the display.
            size: (width, height), pixels.
            pixel_format: Of its pixels.
            make_memory: Gives memory of so many bytes, such as the GPU's; None: a dumb buffer.
        """
        self._driver = driver
        self.size, self.format = size, pixel_format
        self.stride = size[0] * BYTES_PER_PIXEL
        length = self.stride * size[1]
        self._memory = make_memory(length) if make_memory is not None else DumbBuffer(driver.ram, length)
        self.runs, self.reservation = self._memory.runs, self._memory.reservation
        self._mapping = self._memory.memory.map_scattered(self.runs, writable=True)
        self.pixels: NDArray[np.uint8] = self._mapping.data[:length].reshape(
            size[1], size[0], BYTES_PER_PIXEL
        )
        self.resource_id = driver.new_resource_id()
        self.blob = driver.has(Feature.RESOURCE_BLOB)
        if self.blob:
            driver.create_blob(self.resource_id, self.runs, self._mapping.size)
        else:
            driver.create_2d(self.resource_id, size, pixel_format)
            driver.attach_backing(self.resource_id, self.runs)

    def show(self, scanout_id: int, release: Fence | None = None) -> Fence:
        """Put it on a scanout; the fence signals when the host has taken it.

        Args:
            scanout_id: Where.
            release: A new fence for what was shown there before to come back by.
        """
        rect = Rect(0, 0, *self.size)
        if self.blob:
            self._driver.set_scanout_blob(
                scanout_id, self.resource_id, self.size, self.format, self.stride, release
            )
        else:
            self._driver.transfer(self.resource_id, rect)
            self._driver.set_scanout(scanout_id, self.resource_id, rect, release)
        return self._driver.flush(self.resource_id, rect)

    def destroy(self) -> None:
        """Give the host's resource up, and the memory back as soon as the host has let go of it."""
        self._driver.unref(self.resource_id, self.release)

    def release(self) -> None:
        """Give the memory back. Only when the host has no resource for it any more."""
        del self.pixels
        self._mapping.close()
        self._memory.release()
