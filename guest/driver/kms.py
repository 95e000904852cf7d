"""The smallest kernel mode setting: framebuffers, page flips, and who may draw when.

A flip is a SET_SCANOUT_BLOB and a fenced RESOURCE_FLUSH in one kick. As in Linux, one flip is pending at a
time, and its fence completes it: only then has the host taken the new buffer, and only then is the one shown
before free to be drawn into again.

    free -> flipped (fence is out) -> shown (fence came) -> free (the next flip's fence came)

Unlike Linux, a `FlipMode` can allow a second flip meanwhile, or have two fences: the flush's completes the
flip, and SET_SCANOUT_BLOB's, on a timeline of its own, gives back the buffer that was shown before.

Without blob resources (the device does not offer them) a framebuffer is a 2D resource: before each flush the
host copies it, and SET_SCANOUT takes the place of SET_SCANOUT_BLOB.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from guest.driver.gpu import GpuDriver
from guest.driver.session import DriverState
from virtio.errors import Misuse
from virtio.fence import Fence
from virtio.gpu.formats import BYTES_PER_PIXEL, Format
from virtio.gpu.wire import Feature, Rect


class Framebuffer:
    """Guest memory that can be drawn into and shown.

    Attributes:
        resource_id: Of the host's resource.
        runs: The pages, as the host knows them.
        pixels: (height, width, 4) uint8, writable: the guest's own contiguous view of these pages.
    """

    def __init__(self, driver: GpuDriver, size: tuple[int, int], pixel_format: Format) -> None:
        self._driver = driver
        self.size, self.format = size, pixel_format
        self.stride = size[0] * BYTES_PER_PIXEL
        length = self.stride * size[1]
        self.runs = driver.ram.allocate(length)
        self._mapping = driver.ram.memory.map_scattered(self.runs, writable=True)
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
        self._driver.ram.free(self.runs)


class FlipMode(NamedTuple):
    """How a driver flips.

    Attributes:
        depth: Flips that may be pending at a time.
        buffers: How many it takes to draw while that many are pending.
        release_apart: The buffer shown before comes back by a fence of its own, and not with the flip.
    """

    depth: int = 1
    buffers: int = 2
    release_apart: bool = False


RELEASE_RING = 1
"""Ring whose timeline carries the release fences."""


class Swapchain:
    """The framebuffers of one scanout, flipped in turn.

    Attributes:
        size: (width, height), pixels.
        mode: How flips are made from now on.
        on_progress: Called when a flip is complete, and when a buffer came back.
    """

    def __init__(
        self,
        driver: GpuDriver,
        scanout_id: int,
        size: tuple[int, int],
        pixel_format: Format,
        mode: FlipMode = FlipMode(),  # noqa: B008 - immutable
    ) -> None:
        self._driver, self._scanout = driver, scanout_id
        self.size, self._format = size, pixel_format
        self.on_progress: Callable[[], None] = lambda: None
        self._buffers: list[Framebuffer] = []
        self._free: list[Framebuffer] = []
        self._flips: dict[Fence, Framebuffer | None] = {}  # pending, and what comes back with each
        self._shown: Framebuffer | None = None
        self.set_mode(mode)

    def set_mode(self, mode: FlipMode) -> None:
        """Flip otherwise from now on; flips that are pending end as they began. Buffers only become more."""
        self.mode = mode
        while len(self._buffers) < mode.buffers:
            self._buffers.append(Framebuffer(self._driver, self.size, self._format))
            self._free.append(self._buffers[-1])

    @property
    def pending(self) -> bool:
        """No further flip is allowed before one has come back."""
        return len(self._flips) >= self.mode.depth

    def acquire(self) -> Framebuffer | None:
        """The buffer to draw the next frame into; None while a flip is pending or all are in use."""
        return self._free[0] if self._free and not self.pending else None

    def owns(self, buffer: Framebuffer) -> bool:
        """Whether `buffer` is one of these, and may be drawn into."""
        return buffer in self._free

    def flip(self, buffer: Framebuffer) -> Fence:
        """Show `buffer`, from `acquire`; the fence signals when the flip is complete.

        Raises:
            Misuse: It is not free, or a flip is pending.
        """
        if self.pending or buffer not in self._free:
            raise Misuse("a page flip is pending, or its buffer is in use; acquire() tells when to draw")
        self._free.remove(buffer)
        replaced, self._shown = self._shown, buffer
        release = None
        if self.mode.release_apart and replaced is not None:
            release, freed, replaced = self._driver.new_fence(RELEASE_RING), replaced, None
            release.add_callback(lambda _fence: self._give_back(freed))
        fence = buffer.show(self._scanout, release)
        self._flips[fence] = replaced
        fence.add_callback(self.complete)
        self._driver.notify()
        return fence

    def complete(self, fence: Fence) -> None:
        """A flip is complete; once. Linux says so itself when the fence did not come within 50 ms."""
        if fence in self._flips:
            self._give_back(self._flips.pop(fence))

    def _give_back(self, buffer: Framebuffer | None) -> None:
        if buffer is not None:
            self._free.append(buffer)
        self.on_progress()

    def destroy(self) -> None:
        """Turn the scanout off and give all buffers up; when the device is gone, just their memory."""
        if self._driver.state is DriverState.RUNNING:
            self._driver.set_scanout(self._scanout, 0, Rect(0, 0, 0, 0))
            for buffer in self._buffers:
                buffer.destroy()
            self._driver.notify()
        else:
            for buffer in self._buffers:
                buffer.release()
