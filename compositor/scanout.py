"""The adapter: one guest's scanouts and cursors become surfaces on outputs.

Implements `virtio.gpu.display.Display`. The scanout is the device's slot, the output the compositor's
monitor; a `Head` binds one to the other and says where on the output the guest appears.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compositor.errors import BadInput
from compositor.frame import Frame
from compositor.geometry import Rect
from compositor.mode import MAX_SIZE, MIN_SIZE
from compositor.observe.statistics import GuestStatistics
from compositor.pixel import PixelFormat
from compositor.presenter import Presenter
from compositor.scene import CURSOR_Z, Buffer, Surface
from virtio.fence import Fence
from virtio.gpu.display import CursorImage, DisplayMode, ScanoutImage
from virtio.gpu.display import Rect as GuestRect

ReadStamp = Callable[[NDArray[np.uint8]], tuple[int | None, bool]]
NowNs = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one scanout of a guest appears.

    Attributes:
        output: Index of the output.
        x: Position of its left edge on the output, pixels.
        y: As `x`, of its top edge.
        width: Size that the guest is told; None: the output's.
        height: As `width`.
        z: Stacking order; later guests lie above earlier ones of the same z.
    """

    output: int = 0
    x: int = 0
    y: int = 0
    width: int | None = None
    height: int | None = None
    z: int = 0


class Head:
    """One scanout slot: a surface for its image, one for its cursor, on one output."""

    def __init__(self, name: str, presenter: Presenter, place: Placement, guest: GuestDisplay) -> None:
        self.presenter = presenter
        self.place = place
        self.image: ScanoutImage | None = None
        self._guest = guest
        self._format = PixelFormat.XRGB8888
        self._shown: ScanoutImage | None = None
        self._flushed_ns = 0
        self._torn = False
        self._fence: Fence | None = None
        self.surface = Surface(
            name, x=place.x, y=place.y, z=place.z, on_presented=self._presented, on_discarded=self._discarded
        )
        self.cursor = Surface(f"{name}-cursor", x=place.x, y=place.y, z=CURSOR_Z)
        for surface in (self.surface, self.cursor):
            presenter.output.scene.add(surface)
        presenter.listeners.append(self._count)

    def mode(self) -> DisplayMode:
        """What the guest is told about the monitor behind this scanout."""
        mode = self.presenter.output.mode
        width, height = self.place.width or mode.width, self.place.height or mode.height
        return DisplayMode(width, height, mode.refresh_mhz, name=self.presenter.output.name)

    def set_image(self, image: ScanoutImage | None) -> None:
        """The scanout shows `image` from its next flush on, or nothing from now on."""
        self.image = image
        if image is None:
            if self.surface.buffer is not None:
                self.presenter.blank()
                self.surface.submit(None)
                self.presenter.schedule()
        else:
            self._format = PixelFormat.from_fourcc(image.format.fourcc)

    def flush(self, damage: GuestRect) -> Fence | None:
        """Submit the image; the fence signals when the frame that shows it has been presented."""
        image = self.image
        if image is None:
            return None
        self._guest.statistics.submitted()
        self.surface.discard()  # what was not presented yet never will be: its fence signals
        frame_id, self._torn = self._guest.read_stamp(image.pixels)
        self._flushed_ns = self._guest.now_ns()
        fence = self._fence = Fence()
        # Another image, as after a page flip, differs everywhere, whatever the driver says it painted.
        changed = Rect(*damage) if image is self._shown else None
        self._shown = image
        self.surface.submit(Buffer(image.pixels, self._format, image.zero_copy, frame_id), changed)
        self.presenter.schedule()
        return None if fence.signaled else fence

    def _count(self, frame: Frame) -> None:
        """Add this guest's part of what it took to make and show a frame."""
        mine = [frame.composed[n] for n in (self.surface.name, self.cursor.name) if n in frame.composed]
        if not mine:
            return
        count, total = self._guest.statistics.bytes, frame.compose_bytes
        count["compose"] += sum(mine)
        # An upload has no parts; whose pixels were painted, theirs it was. Direct scan-out has one owner.
        count["upload"] += frame.upload_bytes * sum(mine) // total if total else frame.upload_bytes

    def _presented(self, frame: Frame) -> None:
        self._guest.statistics.presented(frame.present_time_ns - self._flushed_ns, torn=self._torn)
        self._signal()

    def _discarded(self) -> None:
        self._guest.statistics.discarded()
        self._signal()

    def _signal(self) -> None:
        fence, self._fence = self._fence, None
        if fence is not None:
            self._guest.statistics.fence_waited(self._guest.now_ns() - self._flushed_ns)
            fence.signal()

    def set_cursor(self, image: CursorImage | None, x: int, y: int) -> None:
        """Show the cursor with its upper left corner at (x, y) of the scanout, or hide it."""
        self.cursor.submit(None if image is None else Buffer(image.pixels, PixelFormat.ARGB8888))
        self.move_cursor(x, y)

    def move_cursor(self, x: int, y: int) -> None:
        """Move its upper left corner to (x, y) of the scanout; either may be negative."""
        self.cursor.move(self.place.x + x, self.place.y + y)
        self.presenter.schedule()

    def remove(self) -> None:
        """Take both surfaces off the output; a fence that still waits is signalled."""
        self.presenter.listeners.remove(self._count)
        for surface in (self.surface, self.cursor):
            self.presenter.output.scene.remove(surface)
        self._signal()
        self.presenter.schedule()


class GuestDisplay:
    """All heads of one guest: the display port that its device talks to.

    Args:
        name: The guest's, for surfaces and statistics.
        presenters: The machine's outputs at run time.
        places: One placement per scanout.
        statistics: Where submissions and presentations are counted.
        now_ns: The run's clock.
        read_stamp: Reads a frame's id, and whether two frames were mixed, out of its pixels.

    Raises:
        BadInput: A placement names no output, or gives an impossible size.
    """

    def __init__(
        self,
        name: str,
        presenters: Sequence[Presenter],
        places: Sequence[Placement],
        *,
        statistics: GuestStatistics,
        now_ns: NowNs,
        read_stamp: ReadStamp,
    ) -> None:
        for place in places:
            check_placement(name, place, len(presenters))
        self.statistics = statistics
        self.now_ns = now_ns
        self.read_stamp = read_stamp
        self.heads = [
            Head(f"{name}.{index}" if index else name, presenters[place.output], place, self)
            for index, place in enumerate(places)
        ]

    def modes(self) -> Sequence[DisplayMode]:
        """One mode per scanout."""
        return [head.mode() for head in self.heads]

    def set_scanout(self, scanout_id: int, image: ScanoutImage | None) -> None:
        """See `virtio.gpu.display.Display.set_scanout`."""
        self.heads[scanout_id].set_image(image)

    def flush(self, scanout_id: int, damage: GuestRect) -> Fence | None:
        """See `virtio.gpu.display.Display.flush`."""
        return self.heads[scanout_id].flush(damage)

    def set_cursor(self, scanout_id: int, image: CursorImage | None, x: int, y: int) -> None:
        """See `virtio.gpu.display.Display.set_cursor`."""
        self.heads[scanout_id].set_cursor(image, x, y)

    def move_cursor(self, scanout_id: int, x: int, y: int) -> None:
        """See `virtio.gpu.display.Display.move_cursor`."""
        self.heads[scanout_id].move_cursor(x, y)

    def close(self) -> None:
        """Take the guest off the screens."""
        for head in self.heads:
            head.remove()
        self.heads.clear()


def check_placement(name: str, place: Placement, outputs: int) -> None:
    """Refuse a placement that cannot be shown, by the name of what is wrong.

    Raises:
        BadInput: No such output, or a size that no mode can have.
    """
    if not 0 <= place.output < outputs:
        raise BadInput(f"guest {name}: no output {place.output}; there are {outputs}, counted from 0")
    for what, size in (("width", place.width), ("height", place.height)):
        if size is not None and not MIN_SIZE <= size <= MAX_SIZE:
            raise BadInput(f"guest {name}: {what} {size} is not in {MIN_SIZE} to {MAX_SIZE}")
