"""Rings as they lie in memory: what a driver writes there, and what the device makes of it."""

from __future__ import annotations

from compositor import Machine
from compositor.testing.machines import MachineFactory
from guest import CommandedGuest
from guest.driver.raw_ring import RawRing
from virtio.gpu import wire
from virtio.gpu.wire import HEADER_SIZE, Command, Header, Response
from virtio.ring.layout import DESC_F_NEXT, DESC_F_WRITE

ANSWER = 1024  # bytes into the ring's page


async def ring_of(machine: MachineFactory) -> tuple[Machine, CommandedGuest, RawRing]:
    """The control queue of a driver that has probed its device."""
    screen = await machine(outputs=["320x240@60"])
    driver = CommandedGuest()
    await screen.attach(driver)
    await screen.run(seconds=0)
    return screen, driver, driver.raw_ring()


async def test_a_request_in_two_descriptors_is_one_request(machine: MachineFactory) -> None:
    screen, _, ring = await ring_of(machine)
    ring.memory.write(ring.page, wire.pack(Header(Command.GET_EDID)) + wire.pack(wire.GetEdid(0)))
    ring.describe(0, (ring.page, 10), DESC_F_NEXT, following=1)
    ring.describe(1, (ring.page + 10, HEADER_SIZE + 8 - 10), DESC_F_NEXT, following=2)
    ring.describe(2, (ring.page + ANSWER, 2048), DESC_F_WRITE)
    ring.publish(0)
    ring.kick()
    await screen.run(seconds=0)
    assert ring.used() == [(0, HEADER_SIZE + wire.sizeof(wire.RespEdid))]
    answer = wire.unpack(Header, ring.memory.read(ring.page + ANSWER, HEADER_SIZE))
    assert answer.type == Response.OK_EDID


async def test_a_chain_that_ends_nowhere_stops_the_device_until_the_next_boot(
    machine: MachineFactory,
) -> None:
    screen, driver, ring = await ring_of(machine)
    ring.describe(0, (ring.page, HEADER_SIZE), DESC_F_NEXT, following=0)
    ring.publish(0)
    ring.kick()
    await screen.run(seconds=0.1)
    assert ring.used() == []
    assert driver.driver.state.name == "LOST"  # the device asked for a reset
    driver.start()
    driver.show(1, 320, 240, 0xAA)
    await screen.next_frame()
    assert (screen.screenshot()[..., :3] == 0xAA).all()


async def test_no_kick_is_no_request(machine: MachineFactory) -> None:
    screen, _, ring = await ring_of(machine)
    ring.memory.write(ring.page, wire.pack(Header(Command.GET_DISPLAY_INFO)))
    ring.describe(0, (ring.page, HEADER_SIZE), DESC_F_NEXT, following=1)
    ring.describe(1, (ring.page + ANSWER, 1024), DESC_F_WRITE)
    ring.publish(0)
    await screen.run(seconds=0.1)
    assert ring.used() == []
    ring.kick()
    await screen.run(seconds=0)
    assert [head for head, _ in ring.used()] == [0]
