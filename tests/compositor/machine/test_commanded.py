"""Single requests and their replies, and rings written by hand, on a machine."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from compositor import Machine
from guest import CommandedGuest
from guest.driver import DriverState
from virtio.errors import Misuse
from virtio.gpu import wire
from virtio.gpu.wire import CONTROL_QUEUE, CURSOR_QUEUE, Command, Header, Rect, Response
from virtio.ring.layout import DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE, DESCRIPTOR_SIZE

MODE = "200x100@60"


async def booted(machine: Machine) -> CommandedGuest:
    guest = CommandedGuest()
    await machine.attach(guest)
    await machine.run(seconds=0)
    return guest


async def test_replies_are_typed_and_have_the_devices_bodies() -> None:
    async with Machine(outputs=[MODE]) as machine:
        guest = await booted(machine)
        info, edid = guest.send(Command.GET_DISPLAY_INFO), guest.send(Command.GET_EDID, wire.GetEdid(0))
        assert not info.done
        assert repr(info) == "<Reply to GET_DISPLAY_INFO: none yet>"
        with pytest.raises(Misuse, match="GET_DISPLAY_INFO was not answered yet; let the machine run"):
            _ = info.response
        await machine.run(seconds=0)
        assert info.response is Response.OK_DISPLAY_INFO
        first = info.body(wire.RespDisplayInfo).pmodes[0]
        assert (first.enabled, first.rect) == (1, Rect(0, 0, 200, 100))
        assert edid.body(wire.RespEdid).edid.startswith(bytes.fromhex("00ffffffffffff00"))
        assert repr(edid) == "<Reply to GET_EDID: OK_EDID>"
        with pytest.raises(Misuse, match="GET_EDID was answered with OK_EDID, which has no RespDisplayInfo"):
            edid.body(wire.RespDisplayInfo)


async def test_a_mistake_is_answered_with_the_devices_error_and_the_guest_goes_on() -> None:
    async with Machine(outputs=[MODE]) as machine:
        guest = await booted(machine)
        guest.scan_out(1, 200, 100)
        guest.send(Command.GET_EDID)
        guest.send(0x01FF)
        guest.send_bytes(bytes(10))
        guest.show(1, 200, 100, 77)
        await machine.run(seconds=0.05)
        assert guest.answers == [
            Response.ERR_INVALID_RESOURCE_ID,
            Response.ERR_UNSPEC,
            Response.ERR_UNSPEC,
            Response.ERR_UNSPEC,
            *[Response.OK_NODATA] * 3,
        ]
        assert guest.replies[2].request == "0x01ff"
        assert (machine.screenshot()[..., :3] == 77).all()


async def test_a_fenced_flush_is_answered_when_its_frame_is_replaced_or_shown() -> None:
    async with Machine(outputs=[MODE]) as machine:
        guest = await booted(machine)
        guest.show(1, 200, 100, 1)
        reply = guest.flush(1, Rect(0, 0, 200, 100), fence=True)
        assert reply.fence is not None
        await machine.run(seconds=0.001)
        assert not reply.done
        assert not reply.fence.signaled
        await machine.run(seconds=0.05)
        assert reply.fence.signaled
        assert reply.header.fence_id == reply.fence.seqno
        assert reply.header.flags & wire.Flag.FENCE


async def test_the_cursor_queue_answers_too() -> None:
    async with Machine(outputs=[MODE]) as machine:
        guest = await booted(machine)
        guest.show(1, 200, 100, 0)
        guest.picture(9, 64, 64)[...] = 255
        await machine.run(seconds=0)
        assert guest.set_cursor(8, 0, 0).request == "UPDATE_CURSOR"
        guest.set_cursor(9, 10, 20)
        guest.move_cursor(30, 20)
        await machine.run(seconds=0.05)
        assert guest.answers[-3:] == [
            Response.ERR_INVALID_RESOURCE_ID, Response.OK_NODATA, Response.OK_NODATA,
        ]  # fmt: skip
        lit = (machine.screenshot()[..., 0] == 255).nonzero()
        assert (lit[0].min(), lit[1].min()) == (20, 30)


async def test_a_chain_made_by_hand_is_served_and_its_answer_lies_where_it_should() -> None:
    async with Machine(outputs=[MODE]) as machine:
        guest = await booted(machine)
        ring = guest.raw_ring()
        request = wire.pack(Header(Command.GET_DISPLAY_INFO))
        ring.memory.write(ring.page, request)
        answer = ring.page + 1024
        length = wire.HEADER_SIZE + wire.sizeof(wire.RespDisplayInfo)
        # The request in two pieces, the answer in two others: the device must not care.
        ring.describe(3, (ring.page, 10), DESC_F_NEXT, 7)
        ring.describe(7, (ring.page + 10, len(request) - 10), DESC_F_NEXT, 1)
        ring.describe(1, (answer, 40), DESC_F_NEXT | DESC_F_WRITE, 2)
        ring.describe(2, (answer + 40, length - 40), DESC_F_WRITE)
        ring.publish(3)
        await machine.run(seconds=0)
        assert ring.used() == []  # no kick yet
        ring.kick()
        await machine.run(seconds=0)
        assert ring.used() == [(3, length)]
        assert ring.used() == []
        message = ring.memory.read(answer, length)
        assert wire.unpack(Header, message).type == Response.OK_DISPLAY_INFO
        body = wire.unpack(wire.RespDisplayInfo, message, wire.HEADER_SIZE)
        assert body.pmodes[0].rect == Rect(0, 0, 200, 100)
        assert guest.driver.state is DriverState.RUNNING


async def test_an_indirect_chain_and_the_cursor_queue_by_hand() -> None:
    async with Machine(outputs=[MODE]) as machine:
        guest = await booted(machine)
        guest.show(1, 200, 100, 0)
        guest.picture(9, 64, 64)[...] = 255
        await machine.run(seconds=0.05)
        ring = guest.raw_ring(CURSOR_QUEUE)
        body = wire.UpdateCursor(wire.CursorPos(0, 5, 6), 9)
        request = wire.pack(Header(Command.UPDATE_CURSOR)) + wire.pack(body)
        ring.memory.write(ring.page + 512, request)
        ring.describe_indirect(0, (ring.page + 512, len(request)))
        ring.describe(0, (ring.page, DESCRIPTOR_SIZE), DESC_F_INDIRECT)
        ring.publish(0)
        ring.kick()
        await machine.run(seconds=0.05)
        assert ring.used() == [(0, 0)]
        assert (machine.screenshot()[6:70, 5:69, 0] == 255).all()


async def test_a_broken_ring_needs_a_reset_and_a_boot_mends_all() -> None:
    async with Machine(outputs=[MODE]) as machine:
        guest = await booted(machine)
        ring = guest.raw_ring()
        ring.describe(0, (ring.page, 24), DESC_F_NEXT, 0)
        ring.publish(0)
        ring.kick()
        await machine.run(seconds=0)
        assert guest.driver.state is DriverState.LOST
        with pytest.raises(Misuse, match="the device is lost; open it first"):
            guest.send(Command.GET_DISPLAY_INFO)
        guest.start()
        await machine.run(seconds=0)
        reply = guest.show(1, 200, 100, 33)
        await machine.run(seconds=0.05)
        assert reply.response is Response.OK_NODATA
        assert (machine.screenshot()[..., :3] == 33).all()


async def test_the_driver_leaves_a_ring_alone_that_is_written_by_hand() -> None:
    """With its hands on the ring, the driver would not know the chain that the device used."""
    async with Machine(outputs=[MODE]) as machine:
        guest = await booted(machine)
        ring = guest.raw_ring(CONTROL_QUEUE)
        ring.memory.write(ring.page, wire.pack(Header(Command.GET_DISPLAY_INFO)))
        for round_ in range(3):
            ring.describe(9, (ring.page, wire.HEADER_SIZE))
            ring.publish(9)
            ring.kick()
            await machine.run(seconds=0.01)
            assert ring.used() == [(9, 0)], round_
        assert machine.guests[0].failure is None


async def test_pixels_are_the_guests_own_memory() -> None:
    async with Machine(outputs=[MODE]) as machine:
        guest = await booted(machine)
        pixels = guest.picture(4, 200, 100)
        guest.scan_out(4, 200, 100)
        pixels[...] = np.frombuffer(struct.pack("<I", 0x00112233), np.uint8)
        guest.flush(4, Rect(0, 0, 200, 100))
        await machine.run(seconds=0.05)
        assert machine.screenshot()[50, 50].tolist() == [0x11, 0x22, 0x33, 255]
