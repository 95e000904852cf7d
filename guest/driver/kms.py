"""The smallest kernel mode setting: framebuffers, page flips, and when the guest may draw.

A flip is a SET_SCANOUT_BLOB and a fenced RESOURCE_FLUSH in one kick. As in Linux, one flip is pending at a
time, and its fence completes it: only then has the host taken the new buffer, and only then is the one shown
before free to be drawn into again.

    free -> flipped (fence is out) -> shown (fence came) -> free (the next flip's fence came)

Unlike Linux, a `FlipMode` can allow a second flip meanwhile, or have two fences: the flush's completes the
flip, and SET_SCANOUT_BLOB's, on a timeline of its own, gives back the buffer that was shown before.

A buffer that the GPU still draws into can be flipped at once: the flip waits for it (see
`guest.driver.atomic`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from guest.damage import Damage
from guest.driver.atomic import Crtc, CrtcState
from guest.driver.framebuffer import Framebuffer
from guest.driver.gpu import GpuDriver
from guest.driver.session import DriverState
from virtio.errors import Misuse, ScanoutError
from virtio.fence import Fence
from virtio.gpu.formats import Format

MakeFramebuffer = Callable[[GpuDriver, tuple[int, int], Format], Framebuffer]


class FlipMode(NamedTuple):
    """How a driver flips.

    Attributes:
        depth: Flips that may be pending at a time.
        buffers: How many it takes to draw while that many are pending.
        release_apart: The buffer shown before comes back by a fence of its own, and not with the flip.
        copied: The host has a copy of every buffer (2D resources): one comes back with its own flip.
    """

    depth: int = 1
    buffers: int = 2
    release_apart: bool = False
    copied: bool = False


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
        make_framebuffer: MakeFramebuffer = Framebuffer,
    ) -> None:
        """Make the framebuffers.

        Raises:
            ScanoutError: There is no memory for them.
        """
        self._driver = driver
        self._crtc = Crtc(driver, scanout_id)
        self.size, self._format, self._make = size, pixel_format, make_framebuffer
        self.on_progress: Callable[[], None] = lambda: None
        self._buffers: list[Framebuffer] = []
        self._free: list[Framebuffer] = []
        self._flips: dict[Fence, Framebuffer | None] = {}  # pending, and what comes back with each
        self._shown: Framebuffer | None = None
        try:
            self.set_mode(mode)
        except ScanoutError:  # no memory for all of them: then for none
            self.destroy()
            raise

    def set_mode(self, mode: FlipMode) -> None:
        """Flip otherwise from now on; flips that are pending end as they began. Buffers only become more."""
        self.mode = mode
        self._crtc.depth = mode.depth
        while len(self._buffers) < mode.buffers:
            self._buffers.append(self._make(self._driver, self.size, self._format))
            self._free.append(self._buffers[-1])

    @property
    def pending(self) -> bool:
        """No further flip is allowed before one has come back."""
        return len(self._flips) >= self.mode.depth

    @property
    def shown(self) -> Framebuffer | None:
        """The buffer that was flipped last."""
        return self._shown

    def acquire(self) -> Framebuffer | None:
        """The buffer to draw the next frame into; None while a flip is pending or all are in use."""
        return self._free[0] if self._free and not self.pending else None

    def owns(self, buffer: Framebuffer) -> bool:
        """Whether `buffer` is one of these, and may be drawn into."""
        return buffer in self._free

    def flip(self, buffer: Framebuffer, in_fence: Fence | None = None, damage: Damage = None) -> Fence:
        """Show `buffer`, from `acquire`; the fence signals when the flip is complete.

        Args:
            buffer: What to show.
            in_fence: What to wait for; None: whatever writes to the buffer.
            damage: What differs from the flip before.

        Raises:
            Misuse: It is not free, or a flip is pending.
        """
        if self.pending or buffer not in self._free:
            raise Misuse("a page flip is pending, or its buffer is in use; acquire() tells when to draw")
        self._free.remove(buffer)
        replaced, self._shown = buffer if self.mode.copied else self._shown, buffer
        apart = self.mode.release_apart and replaced is not None
        flip = self._crtc.commit(CrtcState(buffer, in_fence, release_apart=apart, damage=damage))
        assert flip is not None  # a primary plane was committed
        if flip.release is not None:
            freed, replaced = replaced, None
            flip.release.add_callback(lambda _fence: self._give_back(freed))
        self._flips[flip.out] = replaced
        flip.out.add_callback(self._completed)
        return flip.out

    def complete(self, fence: Fence) -> None:
        """Say that a flip is complete, as Linux does when the device did not within 50 ms."""
        self._crtc.complete(fence)

    def _completed(self, out: Fence) -> None:
        self._give_back(self._flips.pop(out))

    def _give_back(self, buffer: Framebuffer | None) -> None:
        if buffer is not None:
            self._free.append(buffer)
        self.on_progress()

    def destroy(self) -> None:
        """Turn the scanout off and give all buffers up; when the device is gone, just their memory."""
        if self._driver.state is DriverState.RUNNING:
            self._crtc.turn_off()
            for buffer in self._buffers:
                buffer.destroy()
            self._driver.notify()
        else:
            self._crtc.close()
            for buffer in self._buffers:
                buffer.release()
