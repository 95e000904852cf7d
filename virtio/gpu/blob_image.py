"""An image that lies inside of a blob: where, and as an array."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from virtio.gpu.backing import ContiguousBacking, ScatteredBacking
from virtio.gpu.errors import invalid_parameter
from virtio.gpu.formats import BYTES_PER_PIXEL, Format
from virtio.gpu.limits import Ledger
from virtio.gpu.resource import Blob
from virtio.gpu.wire import Rect
from virtio.turn import Steps


class BlobLayout(NamedTuple):
    """How an image lies in a blob, and which part of it is shown.

    Attributes:
        rect: The part shown, in pixels of the image.
        format: Pixel format.
        stride: Bytes from one row to the next.
        offset: Byte of the blob at which the image begins.
    """

    rect: Rect
    format: Format
    stride: int
    offset: int

    @property
    def start(self) -> int:
        """Byte of the blob at which the shown part's first pixel lies."""
        return self.offset + self.rect.y * self.stride + self.rect.x * BYTES_PER_PIXEL

    @property
    def end(self) -> int:
        """First byte of the blob beyond the shown part, whose last row may end before a whole stride."""
        return self.start + (self.rect.height - 1) * self.stride + self.rect.width * BYTES_PER_PIXEL


class BlobImage:
    """The part of a blob that a scanout shows: the blob's own memory wherever that is in one piece.

    Attributes:
        pixels: (height, width, 4) uint8, read-only.
        zero_copy: Whether `pixels` is the blob's memory, and not a copy that `refresh` updates.
    """

    __slots__ = ("pixels", "zero_copy", "_backing", "_layout", "_ledger", "_rows", "_stale")

    def __init__(self, blob: Blob, layout: BlobLayout, ledger: Ledger) -> None:
        """Open the image; nothing is copied yet.

        Raises:
            CommandFault: It reaches beyond the blob or its backing (ERR_INVALID_PARAMETER); or it has to be
                copied, and that is more host memory than the guest may have (ERR_OUT_OF_MEMORY).
        """
        backing = blob.backing
        size = 0 if backing is None else min(blob.size, backing.size)
        if layout.end > size:
            raise invalid_parameter(
                f"an image that ends at byte {layout.end} of blob {blob.resource_id}, which has {size} bytes"
            )
        height, width = layout.rect.height, layout.rect.width
        self._layout, self._ledger, self._stale = layout, ledger, True
        self._backing: ScatteredBacking | None = None
        if isinstance(backing, ContiguousBacking):
            shape, strides = (height, width, BYTES_PER_PIXEL), (layout.stride, BYTES_PER_PIXEL, 1)
            self.pixels = np.ndarray(shape, np.uint8, backing.data, layout.start, strides)
        else:
            self._backing = backing
            self._rows = ledger.allocate(
                (height, width * BYTES_PER_PIXEL),
                f"a copy of unmappable blob {blob.resource_id}",
            )
            self.pixels = self._rows.reshape(height, width, BYTES_PER_PIXEL)
        self.pixels.flags.writeable = False
        self.zero_copy = self._backing is None

    def refresh(self, damage: Rect) -> Steps[int]:
        """Bring `damage` (relative to the image) up to date, in steps; all of the image the first time.

        Returns:
            Bytes copied.
        """
        if self._backing is None:
            return 0
        if self._stale:
            damage = Rect(0, 0, self._layout.rect.width, self._layout.rect.height)
        left, right = damage.x * BYTES_PER_PIXEL, (damage.x + damage.width) * BYTES_PER_PIXEL
        rows = self._rows[damage.y : damage.y + damage.height, left:right]
        stride = self._layout.stride
        yield from self._backing.read_steps(self._layout.start + damage.y * stride + left, stride, rows)
        self._stale = False
        return rows.size

    def close(self) -> None:
        """Give the copy back, if there is one; views onto it stay valid."""
        if self._backing is not None:
            self._ledger.host_memory.give(self._rows.nbytes)
            self._backing = None
