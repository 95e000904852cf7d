"""Jobs, their dependencies and their fences; buffers and when they go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest

from guest.driver.render import BATCH_SIZE, RenderDriver
from guest.gpu import Gpu
from guest.gpu.commands import Area, Fill, Nop
from guest.memory import GuestRam
from virtio.clock import Calendar
from virtio.errors import Misuse
from virtio.fence import Fence, Usage

if TYPE_CHECKING:
    from guest.driver.render import GpuBuffer

SIDE = 32
ALL = Area(0, 0, SIDE, SIDE)


class Rig:
    def __init__(self, ram: GuestRam) -> None:
        self.calendar, self.gpu = Calendar(), Gpu()
        self.function = self.gpu.attach("guest", ram.memory, self.calendar)
        self.driver = RenderDriver(self.function, ram)
        self.buffer = self.driver.allocate(4096)

    def fill(self, colour: int, buffer: GpuBuffer | None = None, after: Fence | None = None) -> Fence:
        buffer = buffer or self.buffer
        return self.driver.submit(
            [Fill(buffer.surface(SIDE, SIDE), ALL, colour)], writes=[buffer], after=after
        )

    def finish(self) -> None:
        while self.calendar.run_next():
            pass

    @property
    def colour(self) -> int:
        return int(self.buffer.memory.map_scattered(self.buffer.runs).data.view(np.uint32)[0])


@pytest.fixture
def rig(nothing_left: None) -> Iterator[Rig]:
    with GuestRam(8 << 20) as ram:
        made = Rig(ram)
        yield made
        made.driver.close()
        made.gpu.detach(made.function)


def test_a_job_waits_for_its_in_fence_and_those_behind_it_wait_for_their_turn(rig: Rig) -> None:
    gate = Fence()
    first, second = rig.fill(1, after=gate), rig.fill(2, rig.driver.allocate(4096))
    rig.finish()
    assert not first.signaled
    assert not second.signaled, "jobs of one queue keep their order"
    gate.signal()
    rig.finish()
    assert first.signaled
    assert second.signaled


def test_a_job_waits_for_the_users_of_its_buffer(rig: Rig) -> None:
    reader = Fence()
    rig.buffer.reservation.add(reader, Usage.READ)
    fence = rig.fill(1)
    rig.finish()
    assert (fence.signaled, rig.colour) == (False, 0)
    reader.signal()
    rig.finish()
    assert (fence.signaled, rig.colour) == (True, 1)


def test_a_buffer_is_in_use_until_its_job_is_done(rig: Rig) -> None:
    fence = rig.fill(1)
    assert rig.buffer.reservation.fences_for(write=False) == [fence]
    rig.finish()
    assert rig.buffer.reservation.fences_for(write=True) == []


def test_released_memory_goes_when_the_gpu_is_through_with_it(rig: Rig) -> None:
    free = rig.driver.ram.free_bytes
    buffer = rig.driver.allocate(4096)
    rig.fill(1, buffer)
    buffer.release()
    assert rig.driver.ram.free_bytes < free
    rig.finish()
    assert rig.driver.ram.free_bytes == free


def test_vram_comes_back_too(rig: Rig) -> None:
    vram = rig.function.vram
    before = vram.free_bytes()
    rig.driver.allocate_vram(100_000).release()
    assert vram.free_bytes() == before


def test_fences_carry_the_time_and_come_in_order(rig: Rig) -> None:
    done: list[int] = []
    fences = [rig.fill(colour) for colour in range(5)]
    for fence in fences:
        fence.add_callback(lambda fence: done.append(fence.seqno))
    rig.finish()
    assert done == [1, 2, 3, 4, 5]
    assert fences[-1].timestamp_ns == rig.calendar.now_ns()


def test_imported_memory_stays_its_owners(rig: Rig) -> None:
    runs = rig.driver.ram.allocate(4096)
    imported = rig.driver.import_runs(runs, rig.driver.ram.memory)
    rig.fill(7, imported)
    rig.finish()
    assert rig.driver.ram.memory.load(runs[0][0], 4) == 7
    imported.release()
    rig.driver.ram.free(runs)


def test_too_many_commands_are_refused(rig: Rig) -> None:
    with pytest.raises(Misuse, match="do not fit into a batch"):
        rig.driver.submit([Nop()] * (BATCH_SIZE // 4))
