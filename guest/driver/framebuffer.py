"""Framebuffers: guest memory that the host's display device knows as a resource.

Without blob resources (the device does not offer them) a framebuffer is a 2D resource: before each flush the
host copies it, and SET_SCANOUT takes the place of SET_SCANOUT_BLOB.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from guest.damage import Damage, bounds
from guest.driver.buffer import BufferMemory, DumbBuffer
from guest.driver.gpu import GpuDriver
from virtio.errors import Misuse
from virtio.fence import Fence
from virtio.gpu.formats import BYTES_PER_PIXEL, Format
from virtio.gpu.wire import Feature, Rect


class Framebuffer:
    """Guest memory that can be drawn into and shown.

    Attributes:
        resource_id: Of the host's resource.
        size: As given.
        format: As given.
        stride: As given, or what the pixels take.
        blob: Whether the host shows these pages themselves, and not a copy of its own.
        runs: The pages, as the host knows them.
        pixels: (height, width, 4) uint8, writable: the guest's own view of these pages, `stride` bytes a row.
        reservation: The fences of the jobs that use these pages: the GPU's, where it draws.
    """

    def __init__(
        self,
        driver: GpuDriver,
        size: tuple[int, int],
        pixel_format: Format,
        make_memory: Callable[[int], BufferMemory] | None = None,
        *,
        stride: int | None = None,
        blob: bool = True,
    ) -> None:
        """Allocate or import it.

        Args:
            driver: Of the display.
            size: (width, height), pixels.
            pixel_format: Of its pixels.
            make_memory: Gives memory of so many bytes, such as the GPU's; None: a dumb buffer.
            stride: Bytes from one row to the next; None: as many as its pixels take.
            blob: Make it a blob resource where the device has them.

        Raises:
            Misuse: There is no memory for it, or a 2D resource would need a stride of its own.
        """
        self._driver = driver
        self.size, self.format = size, pixel_format
        tight = size[0] * BYTES_PER_PIXEL
        self.stride = tight if stride is None else stride
        self.blob = blob and driver.has(Feature.RESOURCE_BLOB)
        if not self.blob and self.stride != tight:
            raise Misuse(f"a 2D resource of {size[0]} pixels has rows of {tight} bytes, not {self.stride}")
        length = self.stride * size[1]
        self._memory = make_memory(length) if make_memory is not None else DumbBuffer(driver.ram, length)
        self.runs, self.reservation = self._memory.runs, self._memory.reservation
        self._mapping = self._memory.memory.map_scattered(self.runs, writable=True)
        shape, strides = (size[1], size[0], BYTES_PER_PIXEL), (self.stride, BYTES_PER_PIXEL, 1)
        self.pixels: NDArray[np.uint8] = np.ndarray(shape, np.uint8, self._mapping.data, 0, strides)
        self.resource_id = driver.new_resource_id()
        if self.blob:
            driver.create_blob(self.resource_id, self.runs, self._mapping.size)
        else:
            driver.create_2d(self.resource_id, size, pixel_format)
            driver.attach_backing(self.resource_id, self.runs)

    def show(
        self, scanout_id: int, release: Fence | None = None, damage: Damage = None, *, again: bool = False
    ) -> Fence:
        """Put it on a scanout; the fence signals when the host has taken it.

        The flush names one rectangle, as Linux's does (`drm_atomic_helper_damage_merged`). The host's copy of
        another buffer is as old as that buffer, so that damage saves a transfer only of the same one again.

        Args:
            scanout_id: Where.
            release: A new fence for what was shown there before to come back by.
            damage: What differs from what was shown there before.
            again: It is what was shown there before.
        """
        whole = Rect(0, 0, *self.size)
        if not self.blob:
            for rect in damage if again and damage is not None else (whole,):
                offset = rect.y * self.stride + rect.x * BYTES_PER_PIXEL
                self._driver.transfer(self.resource_id, rect, offset)
        if not again or release is not None:
            self._set_scanout(scanout_id, whole, release)
        return self._driver.flush(self.resource_id, whole if damage is None else bounds(damage))

    def _set_scanout(self, scanout_id: int, whole: Rect, release: Fence | None) -> None:
        if self.blob:
            self._driver.set_scanout_blob(
                scanout_id, self.resource_id, self.size, self.format, self.stride, release
            )
        else:
            self._driver.set_scanout(scanout_id, self.resource_id, whole, release)

    def destroy(self) -> None:
        """Give the host's resource up, and the memory back as soon as the host has let go of it."""
        self._driver.unref(self.resource_id, self.release)

    def release(self) -> None:
        """Give the memory back. Only when the host has no resource for it any more."""
        del self.pixels
        self._mapping.close()
        self._memory.release()
