"""The display port: what the device asks of the owner of the screens.

The host's compositor implements `Display` (see `compositor.adapter.display`); tests use a recording fake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from virtio.fence import Fence
from virtio.gpu.deferred_transfer import DeferredTransfer
from virtio.gpu.formats import Format
from virtio.gpu.wire import Rect

__all__ = ["CursorImage", "DeferredTransfer", "Display", "DisplayMode", "Rect", "ScanoutImage"]


@dataclass(frozen=True, slots=True)
class DisplayMode:
    """What one scanout is connected to, as GET_DISPLAY_INFO and GET_EDID tell the driver.

    Attributes:
        width: Pixels.
        height: Pixels.
        refresh_mhz: Refresh rate in thousandths of a hertz (60000 is 60 Hz).
        x: Position of the monitor in the guest's desktop, pixels.
        y: As `x`.
        enabled: False: nothing is plugged in.
        name: Monitor name for the EDID, 13 characters at most.
    """

    width: int
    height: int
    refresh_mhz: int = 60_000
    x: int = 0
    y: int = 0
    enabled: bool = True
    name: str = "scanout"


@dataclass(frozen=True, slots=True)
class ScanoutImage:
    """What a scanout shows: a window onto a resource's pixels, aliased and never copied.

    Attributes:
        resource_id: The resource, for messages and statistics.
        pixels: (height, width, 4) uint8, read-only, bytes in memory order of `format`; a live view.
        format: Pixel format.
        zero_copy: True when `pixels` aliases the guest's own pages, False for the host's copy of a
            2D resource.
    """

    resource_id: int
    pixels: NDArray[np.uint8] = field(repr=False)
    format: Format
    zero_copy: bool


@dataclass(frozen=True, slots=True)
class CursorImage:
    """A cursor's picture.

    Attributes:
        pixels: (height, width, 4) uint8, B8G8R8A8 memory order, a private copy.
        hot_x: Hotspot, pixels from the left edge; it says which pixel points, not where the picture stands.
        hot_y: Hotspot, pixels from the top edge.
    """

    pixels: NDArray[np.uint8] = field(repr=False)
    hot_x: int
    hot_y: int


class Display(Protocol):
    """The screens that a device's scanouts are connected to."""

    def modes(self) -> Sequence[DisplayMode]:
        """One mode per scanout, 1 to 16 of them; the number stays the same for a device's life."""

    def set_scanout(self, scanout_id: int, image: ScanoutImage | None) -> Fence | None:
        """The scanout now shows `image`, or nothing.

        An image becomes visible with the next `flush`; None at once.

        Returns:
            A fence that signals when what was shown before is free, where flushes are answered earlier than
            that; else None. The response to a fenced command waits for it.
        """

    def flush(self, scanout_id: int, damage: Rect, incoming: DeferredTransfer | None = None) -> Fence | None:
        """The driver made `damage` (relative to the scanout's image) visible.

        Args:
            scanout_id: The scanout.
            damage: What changed; within the image.
            incoming: What the image is about to hold. Until the call returns its `source` is to be read in
                place of the image's pixels, which are out of date until they are copied.

        Returns:
            None when the host is done with the buffer, else a fence that signals when it is. The
            response to a fenced flush waits for it.
        """

    def set_cursor(self, scanout_id: int, image: CursorImage | None, x: int, y: int) -> None:
        """The cursor's picture and position; None hides it.

        (x, y) is where the picture's upper left corner stands on the scanout, as Linux means it (`crtc_x`
        and `crtc_y` in virtgpu_plane.c): the hotspot is not subtracted again. Both can be negative.
        """

    def move_cursor(self, scanout_id: int, x: int, y: int) -> None:
        """The cursor's position alone, as in `set_cursor`."""
