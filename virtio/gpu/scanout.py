"""Scanouts: what each of the device's output slots shows.

A scanout is disabled, bound to a rectangle of a 2D resource, or bound to an image inside of a blob. A
resource can be on several of them at once (one wide image panned over the monitors), and one flush then
serves each that it touches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from virtio.fence import Fence
from virtio.gpu.blob_image import BlobImage, BlobLayout
from virtio.gpu.deferred_transfer import DeferredTransfer
from virtio.gpu.display import Display, ScanoutImage
from virtio.gpu.errors import CommandFault, invalid_scanout
from virtio.gpu.limits import Ledger
from virtio.gpu.rect import common
from virtio.gpu.resource import Blob, Resource, Resource2d
from virtio.gpu.statistics import Statistics
from virtio.gpu.wire import Rect
from virtio.turn import Steps


@dataclass(frozen=True, slots=True)
class Disabled:
    """The scanout shows nothing."""

    resource: None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """The scanout shows `rect` of a 2D resource."""

    resource: Resource2d
    rect: Rect


@dataclass(slots=True)
class BoundBlob:
    """The scanout shows `layout.rect` of an image inside of a blob.

    Attributes:
        resource: The blob.
        layout: Where the image lies in it.
        image: None while the blob has no backing: bound, and blank.
    """

    resource: Blob
    layout: BlobLayout
    image: BlobImage | None


Scanout = Disabled | Bound | BoundBlob

DISABLED = Disabled()


class Flushed(NamedTuple):
    """What a flush did.

    Attributes:
        shown: Number of scanouts that show the resource.
        touched: How many of them the damage touches.
        fences: What the display still waits for.
    """

    shown: int
    touched: int
    fences: list[Fence]


def _damage(state: Bound | BoundBlob, rect: Rect) -> Rect | None:
    """What `rect` of a resource is in the image that a scanout shows of it; None when it is not shown."""
    place = state.rect if isinstance(state, Bound) else state.layout.rect
    damage = common(rect, place)
    if damage is None:
        return None
    return Rect(damage.x - place.x, damage.y - place.y, damage.width, damage.height)


class Scanouts:
    """All scanouts of a device. Ids that are passed in have been checked with `require`.

    Attributes:
        states: What each one shows.
    """

    def __init__(self, display: Display, count: int, ledger: Ledger, statistics: Statistics) -> None:
        self._display = display
        self._ledger = ledger
        self._statistics = statistics
        self.states: list[Scanout] = [DISABLED] * count

    def require(self, scanout_id: int) -> None:
        """Check that the device has that scanout.

        Raises:
            CommandFault: It has not (ERR_INVALID_SCANOUT_ID).
        """
        if scanout_id >= len(self.states):
            raise invalid_scanout(f"scanout {scanout_id} does not exist, the device has {len(self.states)}")

    def disable(self, scanout_id: int) -> None:
        """Show nothing, from now on."""
        if self.states[scanout_id] is not DISABLED:
            self._replace(scanout_id, DISABLED)
            self._display.set_scanout(scanout_id, None)

    def disable_all(self) -> None:
        """Show nothing anywhere."""
        for scanout_id in range(len(self.states)):
            self.disable(scanout_id)

    def show(self, scanout_id: int, resource: Resource2d, rect: Rect) -> Fence | None:
        """Show `rect`, which lies inside of a 2D resource, from the next flush on.

        Returns:
            See `Display.set_scanout`.
        """
        pixels = resource.pixels[rect.y : rect.y + rect.height, rect.x : rect.x + rect.width]
        self._replace(scanout_id, Bound(resource, rect))
        image = ScanoutImage(resource.resource_id, pixels, resource.format, zero_copy=False)
        return self._display.set_scanout(scanout_id, image)

    def show_blob(self, scanout_id: int, blob: Blob, layout: BlobLayout) -> Fence | None:
        """Show an image inside of a blob, from the next flush on.

        Returns:
            See `Display.set_scanout`.

        Raises:
            CommandFault: As `BlobImage`.
        """
        image = BlobImage(blob, layout, self._ledger)
        self._replace(scanout_id, BoundBlob(blob, layout, image))
        shown = ScanoutImage(blob.resource_id, image.pixels, layout.format, zero_copy=image.zero_copy)
        return self._display.set_scanout(scanout_id, shown)

    def _replace(self, scanout_id: int, state: Scanout) -> None:
        """Enter a new state, and give back what the old one held."""
        old, self.states[scanout_id] = self.states[scanout_id], state
        if isinstance(old, BoundBlob) and old.image is not None:
            old.image.close()

    def forget(self, resource: Resource) -> None:
        """Disable every scanout that shows a resource which ceases to be."""
        for scanout_id, state in enumerate(self.states):
            if state.resource is resource:
                self.disable(scanout_id)

    def backing_detached(self, blob: Blob) -> None:
        """Show nothing where a blob was shown whose pages the driver has taken back.

        The scanouts stay bound: a driver that moves a buffer (Linux: `virtgpu_dma_buf_move_notify`)
        attaches the new pages and then flushes, without setting the scanout anew.
        """
        for scanout_id, state in enumerate(self.states):
            if isinstance(state, BoundBlob) and state.resource is blob:
                self._replace(scanout_id, BoundBlob(blob, state.layout, None))
                self._display.set_scanout(scanout_id, None)

    def backing_attached(self, blob: Blob) -> None:
        """Show a blob's new pages wherever it is bound; where they do not suffice, disable the scanout."""
        for scanout_id, state in enumerate(self.states):
            if not isinstance(state, BoundBlob) or state.resource is not blob:
                continue
            try:
                self.show_blob(scanout_id, blob, state.layout)
            except CommandFault:
                self.disable(scanout_id)

    def refresh(self, blob: Blob, rect: Rect) -> Steps[None]:
        """Copy what a flush of `rect` makes visible of a blob that cannot be mapped."""
        for state in self.states:
            if not isinstance(state, BoundBlob) or state.resource is not blob or state.image is None:
                continue
            damage = _damage(state, rect)
            if damage is not None:
                self._statistics.transfer_bytes += yield from state.image.refresh(damage)

    def flush(self, resource: Resource, rect: Rect) -> Flushed:
        """Make `rect` of a resource visible on every scanout that it touches."""
        shown = touched = 0
        fences: list[Fence] = []
        for scanout_id, state in enumerate(self.states):
            if state.resource is not resource:
                continue
            shown += 1
            damage = _damage(state, rect)
            if damage is None:
                continue
            touched += 1
            if isinstance(state, BoundBlob) and state.image is None:
                continue
            fence = self._display.flush(scanout_id, damage, self._incoming(state))
            if fence is not None:
                fences.append(fence)
        return Flushed(shown, touched, fences)

    @staticmethod
    def _incoming(state: Bound | BoundBlob) -> DeferredTransfer | None:
        """The transfer that a reader of what is shown may carry out: of all that is shown, and of no more."""
        if isinstance(state, BoundBlob):
            return None
        resource, rect = state.resource, state.rect
        incoming = resource.incoming
        if incoming is None or (rect.width, rect.height) == (resource.width, resource.height):
            return incoming
        incoming.finish()
        return None
