"""A workload as a program of the GPU: how a simulated guest draws when it has one.

A frame is one job: the workload's shader in bands from the top, each when its time comes, so that a host
that looks too early sees two frames at once; and, where the host does not reach the framebuffer's memory, a
copy to where it does.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from guest.driver.framebuffer import Framebuffer
from guest.driver.gpu import GpuDriver
from guest.driver.render import GpuBuffer, RenderDriver
from guest.gpu.commands import Area, Command, Copy, Dispatch, Surface
from guest.gpu.gpu import FramebufferMemory, GpuSlot
from guest.memory import GuestRam
from guest.workloads import Workload
from virtio.clock import Clock
from virtio.fence import Fence
from virtio.gpu.formats import Format


class FrameProgram:
    """A workload's frames as a shader: each is drawn once, and shown a rectangle at a time."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._frame: int | None = None
        self._canvas = np.empty((0, 0, 4), np.uint8)

    def __call__(self, argument: int, pixels: NDArray[np.uint8], rect: Area, surface: Surface) -> None:
        """Draw a rectangle of frame number `argument`."""
        shape = (surface.height, surface.width, 4)
        if self._frame != argument or self._canvas.shape != shape:
            if self._canvas.shape != shape:
                self._canvas = np.empty(shape, np.uint8)
            self._workload.draw(argument, self._canvas)
            self._frame = argument
        pixels[:] = self._canvas[rect.y : rect.y + rect.height, rect.x : rect.x + rect.width]


class Renderer:
    """One guest's frames on its GPU.

    Args:
        slot: Its place there.
        workload: What it draws.
        ram: Its system memory.
        clock: The run's.
        name: The guest's.

    Attributes:
        driver: Of the GPU.
        memory: What the host reaches of the guest's memory.
        migrated_bytes: Copied out of VRAM for the host's sake.
    """

    def __init__(self, slot: GpuSlot, workload: Workload, ram: GuestRam, clock: Clock, name: str) -> None:
        self.migrated_bytes = 0
        self._slot = slot
        self._function = slot.gpu.attach(name, ram.memory, clock, weight=slot.weight)
        peer = slot.placement is FramebufferMemory.PEER
        self.memory = self._function.reachable if peer else ram.memory
        self.driver = RenderDriver(self._function, ram, name)
        self.driver.programs.append(FrameProgram(workload))
        self._buffers: WeakKeyDictionary[Framebuffer, GpuBuffer] = WeakKeyDictionary()  # what each is made of
        self._hidden: GpuBuffer | None = None  # drawn into instead, where the result is copied

    def make_framebuffer(
        self, display: GpuDriver, size: tuple[int, int], pixel_format: Format
    ) -> Framebuffer:
        """Memory of the GPU's, imported by the display's driver.

        Raises:
            OutOfMemory: No graphics memory is left.
            Misuse: No system memory is left.
        """
        made: list[GpuBuffer] = []

        def allocate(length: int) -> GpuBuffer:
            self._reserve_hidden(length)
            peer = self._slot.placement is FramebufferMemory.PEER
            made.append(
                self.driver.allocate_vram(length, visible=True) if peer else self.driver.allocate(length)
            )
            return made[0]

        framebuffer = Framebuffer(display, size, pixel_format, allocate)
        self._buffers[framebuffer] = made[0]
        return framebuffer

    def _reserve_hidden(self, length: int) -> None:
        """Where framebuffers are copied from, if they are."""
        if self._slot.placement is not FramebufferMemory.MIGRATED:
            return
        if self._hidden is not None and self._hidden.size >= length:
            return
        if self._hidden is not None:
            self._hidden.release()
            self._hidden = None
        self._hidden = self.driver.allocate_vram(length)

    def draw(self, frame: int, framebuffer: Framebuffer) -> Fence:
        """Let the GPU draw a frame; the fence signals when it is there."""
        shown = self._buffers[framebuffer]
        target = self._hidden or shown
        width, height = framebuffer.size
        surface = target.surface(width, height)
        bands = self._slot.draws
        edges = [height * band // bands for band in range(bands + 1)]
        commands: list[Command] = [
            Dispatch(surface, Area(0, top, width, bottom - top), 0, frame, self._slot.cycles)
            for top, bottom in pairwise(edges)
            if bottom > top
        ]
        written = [target]
        if target is not shown:
            commands.append(Copy(target.address, shown.address, 4 * width * height, migrate=1))
            written.append(shown)
        done = self.driver.submit(commands, writes=written)
        if target is not shown:
            done.add_callback(lambda done: self._count_copy(done, 4 * width * height))
        return done

    def _count_copy(self, done: Fence, length: int) -> None:
        if done.error is None:
            self.migrated_bytes += length

    def as_dict(self) -> dict[str, Any]:
        """Its statistics, for JSON."""
        return {
            "placement": str(self._slot.placement),
            "sharing": self._slot.gpu.sharing.name,
            "weight": self._slot.weight,
            "jobs": self.driver.jobs,
            "migrated_bytes": self.migrated_bytes,
            **self._function.as_dict(),
        }

    def close(self) -> None:
        """Stop drawing, and give the GPU back; after the display's driver has given up its framebuffers."""
        self.driver.close()
        self._slot.gpu.detach(self._function)
