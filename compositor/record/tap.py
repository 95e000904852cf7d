"""The tap on one guest's devices: its commands, and the pixels that they make visible.

Pixels are recorded where they become visible. A transfer into a 2D resource makes its rectangle visible,
an UPDATE_CURSOR its picture. A blob is looked at with each flush, when the host takes it, and again when
the frame that shows it is presented, because a guest may paint until then. What is written is what differs
from the last look.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compositor.adapter.placement import Placement
from compositor.record.changes import MemoryImage, everything
from compositor.record.journal import Journal
from compositor.record.records import CommandRecord, ContentRecord, Kind
from virtio.gpu.backing import Backing, ContiguousBacking
from virtio.gpu.blob_image import BlobImage, BlobLayout
from virtio.gpu.cursor import CURSOR_SIDE
from virtio.gpu.formats import BYTES_PER_PIXEL
from virtio.gpu.rect import common
from virtio.gpu.resource import Blob, Resource, Resource2d
from virtio.gpu.scanout import DISABLED, BoundBlob
from virtio.gpu.session import Session
from virtio.gpu.wire import (
    CONTROL_QUEUE,
    CURSOR_QUEUE,
    HEADER_SIZE,
    Command,
    ResourceDetachBacking,
    ResourceFlush,
    ResourceUnref,
    Response,
    TransferToHost2d,
    UpdateCursor,
    sizeof,
    unpack,
)
from virtio.ring.chain import Chain

_KNOWN_BYTES = 1 << 31
"""Of a guest's resources that copies are kept of; a guest names sizes far beyond its memory."""

_CURSOR_ROW = CURSOR_SIDE * BYTES_PER_PIXEL
_OK = Response.OK_NODATA.to_bytes(4, "little")


class GuestTap:
    """Implements `virtio.gpu.tap.Tap` for all devices of one guest, one after the other.

    Args:
        journal: Where records go.
        guest: The guest's number in the recording.
        outputs: On which outputs each of its scanouts is; None: maybe on any.

    Attributes:
        guest: As given.
        copied_bytes: What it has copied of the guest's pixels: once for the file, and once for the next look.
    """

    def __init__(self, journal: Journal, guest: int, outputs: Sequence[Sequence[int] | None]) -> None:
        self.guest = guest
        self.copied_bytes = 0
        self._journal = journal
        self._outputs = list(outputs)
        self._session: Session | None = None
        self._images: dict[int, tuple[Backing, MemoryImage | None]] = {}
        self._visible: dict[int, BoundBlob] = {}
        self._looked: set[int] = set()  # while the current command was carried out
        self._command: tuple[int, int, int, bytes] | None = None

    def device_made(self) -> None:
        """The guest gets a new device."""
        self._journal.write(Kind.DEVICE, self.guest)
        self._forget()

    def put(self, scanout_id: int, place: Placement) -> None:
        """One of its scanouts appears elsewhere from now on."""
        payload = json.dumps({"scanout": scanout_id, "place": asdict(place)})
        self._journal.write(Kind.PLACE, self.guest, payload.encode())
        self._outputs[scanout_id] = place.outputs

    def sync_set(self, policy: str) -> None:
        """The guest's flushes wait by another policy from now on."""
        self._journal.write(Kind.SYNC, self.guest, policy.encode())

    def gone(self) -> None:
        """The guest is taken off the machine."""
        self._journal.write(Kind.GONE, self.guest)
        self._forget()

    def activated(self, session: Session) -> None:
        """See `Tap.activated`."""
        self._session = session
        self._journal.write(Kind.ACTIVATE, self.guest, session.features.to_bytes(8, "little"))

    def reset(self) -> None:
        """See `Tap.reset`."""
        self._journal.write(Kind.RESET, self.guest)
        self._forget()

    def _forget(self) -> None:
        self._session = None
        self._images.clear()
        self._visible.clear()

    def received(self, index: int, request: bytes, chain: Chain) -> None:
        """See `Tap.received`."""
        self._command = (index, chain.readable_size, chain.writable_size, request)
        self._looked.clear()
        self._journal.command_begins()
        flush = _body(request, index, Command.RESOURCE_FLUSH, ResourceFlush)
        if flush is not None:
            self._take(flush)
        update = _body(request, index, Command.UPDATE_CURSOR, UpdateCursor)
        if update is not None:
            self._look_at_cursor(update.resource_id)

    def answered(self, response: bytes) -> None:
        """See `Tap.answered`."""
        assert self._command is not None
        index, size, room, request = self._command
        if response.startswith(_OK):
            self._follow(index, request)
        self._journal.command_ends(self.guest, CommandRecord(index, size, room, request, response))

    def look(self, output: int) -> None:
        """A frame of that output is presented: record what it shows of this guest's memory."""
        for scanout_id in self._visible:
            outputs = self._outputs[scanout_id]
            if outputs is None or output in outputs:
                self._look_at_scanout(scanout_id)

    def _follow(self, index: int, request: bytes) -> None:
        """A command was carried out: look at what it made visible, forget what it took away."""
        transfer = _body(request, index, Command.TRANSFER_TO_HOST_2D, TransferToHost2d)
        if transfer is not None:
            self._look_at_transfer(transfer)
        flush = _body(request, index, Command.RESOURCE_FLUSH, ResourceFlush)
        if flush is not None:
            for scanout_id, shown in self._visible.items():
                if shown.resource.resource_id == flush.resource_id and scanout_id not in self._looked:
                    self._look_at_scanout(scanout_id)
        for kind, layout in (
            (Command.RESOURCE_UNREF, ResourceUnref),
            (Command.RESOURCE_DETACH_BACKING, ResourceDetachBacking),
        ):
            gone = _body(request, index, kind, layout)
            if gone is not None:
                self._images.pop(gone.resource_id, None)

    def _find(self, resource_id: int) -> Resource | None:
        """The guest's resource of that number."""
        resources = () if self._session is None else self._session.resources
        return next((r for r in resources if r.resource_id == resource_id), None)

    def _take(self, flush: ResourceFlush) -> None:
        """A flush: what its scanouts are bound to becomes visible."""
        assert self._session is not None
        for scanout_id, state in enumerate(self._session.scanouts.states):
            if not isinstance(state, BoundBlob):
                self._visible.pop(scanout_id, None)
            elif state.resource.resource_id == flush.resource_id and common(flush.rect, state.layout.rect):
                self._visible[scanout_id] = state

    def _look_at_scanout(self, scanout_id: int) -> None:
        assert self._session is not None
        shown = self._visible[scanout_id]
        backing, image, layout = shown.resource.backing, shown.image, shown.layout
        if backing is None or image is None or layout.end > backing.size:
            return  # blank: the driver has taken its pages back
        if self._session.scanouts.states[scanout_id] is DISABLED:
            return
        self._looked.add(scanout_id)
        height, width = layout.rect.height, layout.rect.width * BYTES_PER_PIXEL
        rows = _rows(backing, image, layout, (height, width))
        self._look(shown.resource.resource_id, backing, layout.start, layout.stride, rows)

    def _look_at_transfer(self, transfer: TransferToHost2d) -> None:
        resource, rect = self._find(transfer.resource_id), transfer.rect
        if not isinstance(resource, Resource2d) or resource.backing is None or not rect.width * rect.height:
            return
        left, right = rect.x * BYTES_PER_PIXEL, (rect.x + rect.width) * BYTES_PER_PIXEL
        # What was copied, and not what the guest has there meanwhile.
        rows = resource.rows[rect.y : rect.y + rect.height, left:right]
        self._look(resource.resource_id, resource.backing, transfer.offset, resource.stride, rows)

    def _look_at_cursor(self, resource_id: int) -> None:
        blob = self._find(resource_id)
        if not isinstance(blob, Blob) or blob.backing is None:
            return
        if blob.backing.size >= CURSOR_SIDE * _CURSOR_ROW:
            rows = np.empty((CURSOR_SIDE, _CURSOR_ROW), np.uint8)
            blob.backing.read_rows(0, _CURSOR_ROW, rows)
            self._look(resource_id, blob.backing, 0, _CURSOR_ROW, rows)

    def _look(
        self, resource_id: int, backing: Backing, offset: int, stride: int, rows: NDArray[np.uint8]
    ) -> None:
        """Record what is new in a rectangle of a resource's memory."""
        image = self._image(resource_id, backing)
        extents, data = (everything if image is None else image.update)(offset, stride, rows)
        if extents:
            self.copied_bytes += 2 * len(data)
            self._journal.write_content(self.guest, ContentRecord(resource_id, extents, data))

    def _image(self, resource_id: int, backing: Backing) -> MemoryImage | None:
        """The copy of a resource's memory; None where that is beyond what is kept, as long as it has it."""
        known = self._images.get(resource_id)
        if known is None or known[0] is not backing:
            others = (image for number, (_, image) in self._images.items() if number != resource_id)
            kept = sum(image.size for image in others if image is not None)
            image = MemoryImage(backing.size) if kept + backing.size <= _KNOWN_BYTES else None
            known = self._images[resource_id] = backing, image
        return known[1]


def _rows(
    backing: Backing, image: BlobImage, layout: BlobLayout, shape: tuple[int, int]
) -> NDArray[np.uint8]:
    """(height, bytes) uint8: what is shown of a blob, its own memory or the copy that is shown instead."""
    if isinstance(backing, ContiguousBacking):
        return np.ndarray(shape, np.uint8, backing.data, layout.start, (layout.stride, 1))
    return image.pixels.reshape(shape)


def _body(request: bytes, index: int, kind: Command, layout: type[Any]) -> Any:
    """The request's structure; None when it is another command, or too short."""
    queue = CURSOR_QUEUE if kind in (Command.UPDATE_CURSOR, Command.MOVE_CURSOR) else CONTROL_QUEUE
    if index != queue or len(request) < HEADER_SIZE + sizeof(layout):
        return None
    if int.from_bytes(request[:4], "little") != kind:
        return None
    return unpack(layout, request, HEADER_SIZE)
