"""A guest whose driver does what a test says, and nothing else, on a machine of the product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compositor.machine import Machine
from guest.driver.requests import Answer
from guest.driver.transport import Transport
from guest.simulated import SimulatedGuest
from virtio.clock import Clock
from virtio.gpu import wire
from virtio.gpu.formats import Format
from virtio.gpu.wire import BlobMem, Command, Rect, Response
from virtio.memory import GuestMemory

CURSOR_SIDE = 64


class CommandedGuest(SimulatedGuest):
    """Commands are answered while the machine runs; `answers` has what came, in order."""

    def __init__(self, name: str = "commanded", *, sync: str = "release") -> None:
        super().__init__("plasma", name=name, sync=sync, frames=0, memory=64 << 20)
        self.answers: list[Response] = []

    def plug(
        self,
        connect: Callable[[GuestMemory], Transport],
        *,
        default_seed: int = 0,
        clock: Clock | None = None,
    ) -> None:
        super().plug(connect, default_seed=default_seed, clock=clock)
        self.driver.on_ready = self.driver.on_display_change = lambda: None

    def send(
        self, command: Command, body: tuple[Any, ...], extra: bytes = b"", *, fence: bool = False
    ) -> None:
        def answered(answer: Answer) -> None:
            self.answers.append(Response(answer.header.type))

        wanted = self.driver.new_fence() if fence else None
        self.driver.submit(command, body, extra=extra, fence=wanted, done=answered)
        self.driver.notify()

    def picture(
        self, resource: int, width: int, height: int, pixel_format: Format = Format.B8G8R8X8
    ) -> NDArray[np.uint8]:
        """A blob of a picture's size, and the guest's own view of its pixels."""
        size = -(-width * height * 4 // 4096) * 4096
        run = self.driver.ram.allocate_contiguous(size)
        blob = wire.ResourceCreateBlob(resource, BlobMem.GUEST, 2, 1, 0, size)
        self.send(Command.RESOURCE_CREATE_BLOB, blob, wire.pack_entries([run]))
        memory = np.frombuffer(self.driver.ram.memory.view(*run), np.uint8)
        return memory[: width * height * 4].reshape(height, width, 4)

    def scan_out(self, resource: int, width: int, height: int, scanout: int = 0) -> None:
        whole = Rect(0, 0, width, height)
        shown = wire.SetScanoutBlob(
            whole, scanout, resource, width, height, Format.B8G8R8X8, strides=(width * 4, 0, 0, 0)
        )
        self.send(Command.SET_SCANOUT_BLOB, shown)

    def flush(self, resource: int, rect: Rect, *, fence: bool = False) -> None:
        self.send(Command.RESOURCE_FLUSH, wire.ResourceFlush(rect, resource), fence=fence)

    def show(self, resource: int, width: int, height: int, value: int) -> None:
        """A picture of one colour on the first scanout."""
        self.picture(resource, width, height)[...] = value
        self.scan_out(resource, width, height)
        self.flush(resource, Rect(0, 0, width, height))

    def switch_off(self) -> None:
        self.send(Command.SET_SCANOUT, wire.SetScanout(Rect(0, 0, 0, 0), 0, 0))

    def set_cursor(self, resource: int, x: int, y: int) -> None:
        body = wire.UpdateCursor(wire.CursorPos(0, x, y), resource)
        self.driver.submit(Command.UPDATE_CURSOR, body)
        self.driver.notify()

    def move_cursor(self, x: int, y: int) -> None:
        self.driver.submit(Command.MOVE_CURSOR, wire.UpdateCursor(wire.CursorPos(0, x, y), 0))
        self.driver.notify()


async def seen(machine: Machine, output: int = 0) -> NDArray[np.uint8]:
    """What an output shows some refreshes later, (height, width, 3)."""
    await machine.run(seconds=0.05)
    return machine.screenshot(output)[..., :3]
