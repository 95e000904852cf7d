"""A GPU on a calendar, and guests' drivers on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import pytest
from numpy.typing import NDArray

from guest.driver.render import GpuBuffer, RenderDriver
from guest.gpu import CostModel, Gpu
from guest.gpu.sharing import Sharing
from guest.memory import GuestRam
from virtio.clock import Calendar

MS = 1_000_000


class Bench:
    """One GPU and as many guests as a test asks for; everything is closed at its end."""

    def __init__(self, stack: ExitStack) -> None:
        self.calendar = Calendar()
        self.gpu = Gpu()
        self._stack = stack

    def share(self, mode: str | Sharing, cost: CostModel | None = None) -> None:
        """Another GPU, shared like this."""
        self.gpu = Gpu(mode, cost=cost)

    def driver(self, name: str = "guest", *, weight: int = 1, memory: int = 16 << 20) -> RenderDriver:
        """A guest's driver, with memory of its own."""
        gpu = self.gpu
        ram = self._stack.enter_context(GuestRam(memory, name=name))
        function = gpu.attach(name, ram.memory, self.calendar, weight=weight)
        self._stack.callback(gpu.detach, function)
        driver = RenderDriver(function, ram, name)
        self._stack.callback(driver.close)
        return driver

    def run_to(self, when_ns: int) -> None:
        """Let time pass."""
        while (following := self.calendar.next_ns()) is not None and following <= when_ns:
            self.calendar.run_next()
        self.calendar.advance_to(when_ns)

    def finish(self) -> int:
        """Let everything happen; the time when it has."""
        while self.calendar.run_next():
            pass
        return self.calendar.now_ns()


def pixels(buffer: GpuBuffer, width: int, height: int) -> NDArray[np.uint32]:
    """A buffer's picture, (height, width) uint32, as a processor sees it."""
    data = buffer.memory.map_scattered(buffer.runs).data[: 4 * width * height]
    return data.view(np.uint32).reshape(height, width)


@pytest.fixture
def bench() -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(stack)
