"""The hardware cursors: one small picture per scanout, on a queue of their own.

The control and the cursor queue are not ordered against each other: an UPDATE_CURSOR may name a resource
that an UNREF has already removed. So a picture is copied when it is set, and nothing refers to its
resource afterwards.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from virtio.gpu.display import CursorImage, Display
from virtio.gpu.errors import invalid_parameter, unspecified
from virtio.gpu.formats import BYTES_PER_PIXEL, Format
from virtio.gpu.resource import Blob, Resource
from virtio.gpu.statistics import Statistics

CURSOR_SIDE = 64
"""Pixels: cursors are 64 by 64 (virtio 1.3, 5.7.6.10)."""

_ROW_BYTES = CURSOR_SIDE * BYTES_PER_PIXEL
_CURSOR_BYTES = CURSOR_SIDE * _ROW_BYTES


class Cursors:
    """The cursors of all scanouts."""

    def __init__(self, display: Display, count: int, statistics: Statistics) -> None:
        self._display = display
        self._statistics = statistics
        self._visible = [False] * count

    def show(
        self, scanout_id: int, resource: Resource, position: tuple[int, int], hot: tuple[int, int]
    ) -> None:
        """Show a copy of a resource's pixels.

        Raises:
            CommandFault: The resource is no 64 by 64 picture (ERR_INVALID_PARAMETER), or a blob without
                backing (ERR_UNSPEC).
        """
        pixels = _picture(resource)
        self._statistics.cursor_bytes += pixels.nbytes
        self._visible[scanout_id] = True
        self._display.set_cursor(scanout_id, CursorImage(pixels, *hot), *position)

    def hide(self, scanout_id: int, position: tuple[int, int]) -> None:
        """Show none."""
        self._visible[scanout_id] = False
        self._display.set_cursor(scanout_id, None, *position)

    def move(self, scanout_id: int, position: tuple[int, int]) -> None:
        """Move what is shown."""
        self._display.move_cursor(scanout_id, *position)

    def hide_all(self) -> None:
        """Hide every cursor that is shown."""
        for scanout_id, visible in enumerate(self._visible):
            if visible:
                self.hide(scanout_id, (0, 0))


def _picture(resource: Resource) -> NDArray[np.uint8]:
    """A cursor's picture, (64, 64, 4) uint8 in B8G8R8A8 order, of its own memory."""
    if isinstance(resource, Blob):
        return _blob_picture(resource)
    if (resource.width, resource.height) != (CURSOR_SIDE, CURSOR_SIDE):
        raise invalid_parameter(
            f"cursor resource {resource.resource_id} is {resource.width}x{resource.height}, not 64x64"
        )
    return to_b8g8r8a8(resource.pixels, resource.format)


def _blob_picture(blob: Blob) -> NDArray[np.uint8]:
    """The first 16384 bytes of a blob; UPDATE_CURSOR says nothing of a format, so it is the usual one."""
    if blob.backing is None:
        raise unspecified(f"cursor blob {blob.resource_id} has no backing")
    if min(blob.size, blob.backing.size) < _CURSOR_BYTES:
        raise invalid_parameter(f"cursor blob {blob.resource_id} has fewer than {_CURSOR_BYTES} bytes")
    rows = np.empty((CURSOR_SIDE, _ROW_BYTES), np.uint8)
    blob.backing.read_rows(0, _ROW_BYTES, rows)
    return rows.reshape(CURSOR_SIDE, CURSOR_SIDE, BYTES_PER_PIXEL)


def to_b8g8r8a8(pixels: NDArray[np.uint8], pixel_format: Format) -> NDArray[np.uint8]:
    """A copy of pixels in another byte order; padding becomes opaque alpha.

    Args:
        pixels: (height, width, 4) uint8.
        pixel_format: Their format.
    """
    components = pixel_format.name[::2].replace("X", "A")
    # Indexing with a list chooses a memory layout of its own; displays want whole pixels side by side.
    converted = np.ascontiguousarray(pixels[..., [components.index(component) for component in "BGRA"]])
    if not pixel_format.has_alpha:
        converted[..., 3] = 0xFF
    return converted
