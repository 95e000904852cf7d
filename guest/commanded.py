"""A guest that sends what it is told, and nothing else: for authors of devices.

    guest = CommandedGuest()
    await machine.attach(guest)
    await machine.run(seconds=0)  # it has asked for the displays, and shows nothing
    reply = guest.send(Command.GET_EDID, wire.GetEdid(0))
    await machine.run(seconds=0)
    assert reply.response is Response.OK_EDID

`guest.faults` has what such a guest may not do, by name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from guest.bare import BareGuest
from guest.driver.commander import Commander, Reply
from guest.driver.raw_ring import RawRing
from guest.memory import DEFAULT_SIZE, PAGE
from virtio.gpu import wire
from virtio.gpu.formats import BYTES_PER_PIXEL, Format
from virtio.gpu.wire import BlobFlag, BlobMem, Command, Rect, Response


class CommandedGuest(BareGuest):
    """One virtual machine whose driver sends single requests.

    Each call tells the device at once; answers come while the machine runs, or by `transport.poll`.

    Args:
        name: For people and statistics.
        sync: What the host's flushes wait for; see `guest.SimulatedGuest`.
        seed: Of where its pages lie; None takes the machine's.
        memory: Guest memory in bytes.

    Attributes:
        replies: What became of all requests, in their order.
    """

    def __init__(
        self,
        name: str = "commanded",
        *,
        sync: str = "release",
        seed: int | None = None,
        memory: int = DEFAULT_SIZE,
    ) -> None:
        super().__init__(name, sync=sync, seed=seed, memory=memory)
        self.replies: list[Reply] = []

    @property
    def answers(self) -> list[Response]:
        """The types of the answers so far, in the order of the requests."""
        return [reply.response for reply in self.replies if reply.done]

    def send(
        self,
        command: int,
        body: tuple[Any, ...] = wire.NoBody(),
        extra: bytes = b"",
        *,
        fence: bool = False,
    ) -> Reply:
        """Send a request: a header, any structure of `virtio.gpu.wire`, and what follows it.

        Args:
            command: A `Command`, or a number that is none.
            body: The structure.
            extra: What follows it, such as `wire.pack_entries`.
            fence: Ask for the answer only when the device is done; it is `Reply.fence`.

        Raises:
            Misuse: The guest has not booted, or its device is lost.
        """
        wanted = self.driver.new_fence() if fence else None
        return self._sent(Commander(self.driver).send(command, body, extra, fence=wanted))

    def send_bytes(self, message: bytes, extra: bytes = b"", *, queue: int = wire.CONTROL_QUEUE) -> Reply:
        """Send a request of any bytes.

        Raises:
            Misuse: As `send`.
        """
        return self._sent(Commander(self.driver).message(message, extra, queue=queue))

    def raw_ring(self, queue: int = wire.CONTROL_QUEUE) -> RawRing:
        """One of the queues, to be written by hand from now on, until `start` boots the guest again.

        Raises:
            Misuse: As `send`.
        """
        return RawRing(self.driver, queue)

    def _sent(self, reply: Reply) -> Reply:
        self.replies.append(reply)
        self.driver.notify()
        return reply

    # What nearly every test needs, as the requests that it is.

    def picture(self, resource: int, width: int, height: int) -> NDArray[np.uint8]:
        """A blob of a picture's size.

        Returns:
            The guest's own view of its pixels, (height, width, 4) uint8.
        """
        length = width * height * BYTES_PER_PIXEL
        size = -(-length // PAGE) * PAGE
        run = self.driver.ram.allocate_contiguous(size)
        blob = wire.ResourceCreateBlob(resource, BlobMem.GUEST, BlobFlag.USE_SHAREABLE, 1, 0, size)
        self.send(Command.RESOURCE_CREATE_BLOB, blob, wire.pack_entries([run]))
        memory = np.frombuffer(self.driver.ram.memory.view(*run), np.uint8)
        return memory[:length].reshape(height, width, BYTES_PER_PIXEL)

    def scan_out(
        self,
        resource: int,
        width: int,
        height: int,
        scanout: int = 0,
        pixel_format: Format = Format.B8G8R8X8,
    ) -> Reply:
        """Show a blob from its start (SET_SCANOUT_BLOB)."""
        strides = (width * BYTES_PER_PIXEL, 0, 0, 0)
        whole = Rect(0, 0, width, height)
        body = wire.SetScanoutBlob(whole, scanout, resource, width, height, pixel_format, strides=strides)
        return self.send(Command.SET_SCANOUT_BLOB, body)

    def flush(self, resource: int, rect: Rect, *, fence: bool = False) -> Reply:
        """Make a part of a resource visible (RESOURCE_FLUSH)."""
        return self.send(Command.RESOURCE_FLUSH, wire.ResourceFlush(rect, resource), fence=fence)

    def show(self, resource: int, width: int, height: int, value: int) -> Reply:
        """A new picture, all of whose bytes have one value, on the first scanout."""
        self.picture(resource, width, height)[...] = value
        self.scan_out(resource, width, height)
        return self.flush(resource, Rect(0, 0, width, height))

    def switch_off(self, scanout: int = 0) -> Reply:
        """Show nothing (SET_SCANOUT with resource 0)."""
        return self.send(Command.SET_SCANOUT, wire.SetScanout(Rect(0, 0, 0, 0), scanout, 0))

    def set_cursor(self, resource: int, x: int, y: int, scanout: int = 0) -> Reply:
        """Give the cursor a picture and a place; resource 0 hides it (UPDATE_CURSOR)."""
        body = wire.UpdateCursor(wire.CursorPos(scanout, x, y), resource)
        return self.send(Command.UPDATE_CURSOR, body)

    def move_cursor(self, x: int, y: int, scanout: int = 0) -> Reply:
        """Move the cursor (MOVE_CURSOR)."""
        return self.send(Command.MOVE_CURSOR, wire.UpdateCursor(wire.CursorPos(scanout, x, y)))
