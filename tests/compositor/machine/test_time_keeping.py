"""A machine keeps the time of a kernel that comes to its socket; here the kernel is a script."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from compositor import Machine
from compositor.errors import BadInput, GuestFailed
from compositor.machine.run import StopReason
from guest import SimulatedGuest
from virtio.clock.time_travel import Op

MESSAGE = struct.Struct("=IIQ")


class Kernel:
    """Says what it is told to, and expects the answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, op: Op, time: int = 0) -> None:
        self.writer.write(MESSAGE.pack(op, 7, time))
        answer, sequence, _ = await self.hear()
        assert (answer, sequence) == (Op.ACK, 7)

    async def hear(self) -> tuple[int, int, int]:
        op, sequence, time = MESSAGE.unpack(await self.reader.readexactly(MESSAGE.size))
        if op != Op.ACK:
            self.writer.write(MESSAGE.pack(Op.ACK, sequence, 0))
        return op, sequence, time

    async def sleep_until(self, time: int) -> None:
        await self.say(Op.REQUEST, time)
        await self.say(Op.WAIT)
        assert (await self.hear())[0] == Op.FREE_UNTIL
        op, _, now = await self.hear()
        assert (op, now) == (Op.RUN, time)


@asynccontextmanager
async def kept(directory: Path) -> AsyncIterator[tuple[Machine, Kernel]]:
    """A machine on virtual time, and a kernel that has connected to it."""
    async with Machine() as machine:
        machine.serve(directory / "gpu", time_travel=directory / "time")
        kernel = Kernel(*await asyncio.open_unix_connection(str(directory / "time")))
        try:
            yield machine, kernel
        finally:
            kernel.writer.close()


async def test_the_run_goes_as_far_as_the_kernel_and_ends_with_it(tmp_path: Path) -> None:
    async with kept(tmp_path) as (machine, kernel):
        run = asyncio.create_task(machine.run(seconds=1))
        await kernel.say(Op.START)
        await kernel.sleep_until(500_000)
        await kernel.say(Op.UPDATE, 600_000)
        kernel.writer.close()
        assert await run is StopReason.GUESTS
        assert machine.clock.now_ns() == 600_000


async def test_a_kernel_that_sleeps_longer_than_the_run_is_left_sleeping(tmp_path: Path) -> None:
    async with kept(tmp_path) as (machine, kernel):
        run = asyncio.create_task(machine.run(seconds=0.001))
        await kernel.say(Op.START)
        await kernel.say(Op.REQUEST, 5_000_000)
        await kernel.say(Op.WAIT)
        assert await run is StopReason.SECONDS
        assert machine.clock.now_ns() == 1_000_000


async def test_a_kernel_that_goes_back_in_time_ends_the_run(tmp_path: Path) -> None:
    async with kept(tmp_path) as (machine, kernel):
        run = asyncio.create_task(machine.run(seconds=1))
        await kernel.say(Op.START)
        await kernel.sleep_until(50)
        kernel.writer.write(MESSAGE.pack(Op.UPDATE, 9, 49))
        line = "guest: went back in time: it says that it is at 49 ns, and 50 ns have passed"
        with pytest.raises(GuestFailed, match=line):
            await run
        assert await machine.run(seconds=1) is StopReason.GUESTS


async def test_a_kernel_that_goes_back_in_time_ends_alone(tmp_path: Path) -> None:
    async with kept(tmp_path) as (machine, kernel):
        other = await machine.attach(SimulatedGuest("gears"))
        run = asyncio.create_task(machine.run(seconds=0.5))
        await kernel.say(Op.START)
        await kernel.sleep_until(50)
        kernel.writer.write(MESSAGE.pack(Op.UPDATE, 9, 49))
        assert await run is StopReason.SECONDS
        assert other.statistics().frames["presented"] >= 29
        assert machine.guests[0].failure is not None


async def test_a_socket_for_time_needs_the_virtual_clock(tmp_path: Path) -> None:
    async with Machine(clock="real") as machine:
        with pytest.raises(BadInput, match="needs the virtual clock"):
            machine.serve(tmp_path / "gpu", time_travel=tmp_path / "time")
