"""What a simulated guest shows: framebuffers in the mode of its display, flipped one after the other.

They come and go with the display: other ones for another size, none where no display is plugged in.
"""

from __future__ import annotations

from collections.abc import Callable

from guest.damage import Rectangles, checked_damage
from guest.driver import DriverState, GpuDriver, Swapchain
from guest.driver.framebuffer import Framebuffer
from guest.driver.kms import FlipMode, MakeFramebuffer
from guest.workloads.stamp import MARK_WIDTH, MARKS
from virtio.errors import Misuse
from virtio.fence import Fence
from virtio.gpu.formats import Format

FLIP_MODES = {
    "none": FlipMode(),
    "blocking": FlipMode(),
    "release": FlipMode(),
    "out-fence": FlipMode(buffers=3, release_apart=True),
    "queue": FlipMode(depth=2, buffers=3),
}
"""What the host's sync policies ask of the guest."""


class Flips:
    """The page flips on a guest's first scanout.

    Args:
        sync: As `SimulatedGuest` takes it, and the others too.
        size: Of the framebuffers; None: as the display.
        frames: How many for each mode of the display.
        buffers: Framebuffers, if that is more than `sync` needs.
        smallest: (width, height) of the smallest display that is worth a frame.
        copied: The host has a copy of what it shows: one framebuffer is enough.

    Attributes:
        sync: What the host's flushes wait for, as far as we know.
        submitted: Frames flipped; also the number of the next one.
        on_progress: Called when a flip is complete or a buffer came back: `begin` may succeed now. To be set
            before there is a display.

    Raises:
        Misuse: No such kind of synchronisation.
    """

    def __init__(
        self,
        sync: str,
        size: tuple[int, int] | None,
        frames: int | None,
        buffers: int,
        smallest: tuple[int, int] = (MARK_WIDTH, MARKS),  # else no frame could be told from another
        *,
        copied: bool = False,
    ) -> None:
        self.sync = known_sync(sync)
        self.submitted = 0
        self.on_progress: Callable[[], None] = lambda: None
        self._size, self._frames, self._buffers, self._smallest = size, frames, buffers, smallest
        self._copied = copied
        self._left = frames
        self._chain: Swapchain | None = None

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) of what is shown; None: nothing."""
        return self._chain.size if self._chain else None

    @property
    def finished(self) -> bool:
        """Whether all frames have been flipped."""
        return self._left == 0

    @property
    def pending(self) -> bool:
        """Whether as many flips are out as are allowed."""
        return self._chain is not None and self._chain.pending

    def plug(self, driver: GpuDriver, pixel_format: Format, make: MakeFramebuffer) -> None:
        """Flip by a driver that has not probed its device yet."""
        self._driver, self._format, self._make = driver, pixel_format, make

    @property
    def shown(self) -> Framebuffer | None:
        """The buffer that was flipped last; None: none was."""
        return None if self._chain is None else self._chain.shown

    def running(self) -> bool:
        """Whether there is a display, and a device that serves it."""
        return self._chain is not None and self._driver.state is DriverState.RUNNING

    def begin(self) -> Framebuffer | None:
        """The buffer to draw frame `submitted` into; None when there is none now."""
        chain = self._chain
        if chain is None or self._driver.state is not DriverState.RUNNING or self._left == 0:
            return None
        return chain.acquire()

    def may_draw(self, buffer: Framebuffer) -> bool:
        """Whether a buffer from `begin` is still the guest's: its display may have changed since."""
        return self._chain is not None and self.running() and self._chain.owns(buffer)

    def flip(
        self, buffer: Framebuffer, in_fence: Fence | None = None, rectangles: Rectangles = None
    ) -> Fence:
        """Show what is drawn when `in_fence` signals; the fence signals when the flip is complete.

        Args:
            buffer: From `begin`.
            in_fence: None: it is drawn.
            rectangles: What differs from the frame before, as a workload says it.

        Raises:
            Misuse: The buffer is not one to draw into, or the damage is none.
        """
        if self._chain is None:
            raise Misuse("a guest that shows nothing cannot flip; begin() tells when to draw")
        damage = checked_damage(rectangles, self._chain.size, f"frame {self.submitted}")
        if self._left is not None:
            self._left -= 1
        self.submitted += 1
        return self._chain.flip(buffer, in_fence, damage)

    def redraw(self) -> None:
        """All frames were flipped, and now there is one more."""
        self._left = 1
        self.on_progress()

    def give_up(self, flip: Fence) -> None:
        """Take a flip for complete whose fence did not come."""
        if self._chain is not None:
            self._chain.complete(flip)

    def set_sync(self, sync: str) -> None:
        """Flip otherwise from the next flip on; the host has to change its policy before that.

        Raises:
            Misuse: No such kind of synchronisation.
        """
        self.sync = known_sync(sync)
        if self._chain is not None:
            self._chain.set_mode(self._mode)
            self._driver.notify()

    def follow(self) -> None:
        """Follow the display: other framebuffers for another size, none for none, or too small a one.

        Raises:
            ScanoutError: There is no memory for them; nothing is shown.
        """
        display = self._driver.scanouts[0]
        size = (self._size or (display.width, display.height)) if display.enabled else None
        if size is not None and (size[0] < self._smallest[0] or size[1] < self._smallest[1]):
            size = None
        if size == self.size:
            return
        self.drop()
        if size is not None:
            self._left = self._frames
            self._chain = Swapchain(self._driver, 0, size, self._format, self._mode, self._make)
            self._chain.on_progress = self.on_progress
            self._driver.notify()
            self.on_progress()

    def drop(self) -> None:
        """Show nothing any more."""
        chain, self._chain = self._chain, None
        if chain is not None:
            chain.destroy()

    @property
    def _mode(self) -> FlipMode:
        mode = FLIP_MODES[self.sync]
        if self._copied:
            return FlipMode(buffers=1, copied=True)
        return mode._replace(buffers=max(mode.buffers, self._buffers))


def known_sync(sync: str) -> str:
    """The name, if there is such a kind of synchronisation.

    Raises:
        Misuse: There is none.
    """
    if sync not in FLIP_MODES:
        raise Misuse(f"sync={sync!r} is not known; there are {', '.join(FLIP_MODES)}")
    return sync
