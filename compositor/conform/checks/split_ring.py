"""Split queues: how chains are cut, who may write where, what the used ring says (2.7)."""

from __future__ import annotations

from collections.abc import Sequence

from compositor.conform.check import Group
from compositor.conform.guest import Answer, Guest
from compositor.conform.memory import Piece
from compositor.conform.rig import Rig
from compositor.conform.ring import Buffer
from compositor.conform.verdict import need, require
from virtio.features import RingFeature
from virtio.gpu.formats import Format
from virtio.gpu.wire import Command, ResourceCreate2d, ResourceUnref, RespDisplayInfo, Response, sizeof
from virtio.ring.layout import DESC_F_WRITE, available_ring_size, descriptor_table_size

_GROUP = Group("split-ring")
check = _GROUP.check

_MARK = 0xA5
_DISPLAY_INFO_BYTES = 24 + sizeof(RespDisplayInfo)
_MANY = 16


def _cut(guest: Guest, data: bytes, sizes: Sequence[int]) -> list[Buffer]:
    """A request in several buffers, apart from each other."""
    buffers, start = [], 0
    for size in sizes:
        buffers.append(Buffer(guest.memory.put(data[start : start + size])))
        start += size
    assert start == len(data)
    return buffers


def _room(guest: Guest, sizes: Sequence[int]) -> list[Buffer]:
    return [Buffer(guest.memory.take(size), writable=True) for size in sizes]


def _gather(guest: Guest, buffers: Sequence[Buffer]) -> bytes:
    return b"".join(guest.memory.read(*buffer.piece) for buffer in buffers if buffer.writable)


def _display_info(guest: Guest, buffers: Sequence[Buffer], head: int) -> None:
    """Publish a chain that asks for the display info, and see that it is answered in full."""
    guest.control.publish(head)
    guest.control.kick()
    (used,) = guest.control.finish()
    require(
        used.length == _DISPLAY_INFO_BYTES, f"GET_DISPLAY_INFO is answered with {used.length} bytes, not 408"
    )
    kind = int.from_bytes(_gather(guest, buffers)[:4], "little")
    require(kind == Response.OK_DISPLAY_INFO, f"GET_DISPLAY_INFO is answered {kind:#06x}")


def _ask_display_info(guest: Guest, readable: Sequence[int], writable: Sequence[int]) -> None:
    buffers = _cut(guest, guest.request(Command.GET_DISPLAY_INFO), readable) + _room(guest, writable)
    _display_info(guest, buffers, guest.control.chain(buffers))


@check("2.7.4.1")
def requests_may_be_cut_anywhere(rig: Rig) -> None:
    """A request's bytes are one stream, however descriptors cut it: within its header, byte by byte."""
    guest = rig.guest()
    for sizes in ((24,), (1, 23), (5, 7, 12), (1,) * 24):
        _ask_display_info(guest, sizes, (_DISPLAY_INFO_BYTES,))


@check("2.7.4.1")
def bodies_may_be_cut_anywhere(rig: Rig) -> None:
    """A structure may be cut between and within its fields."""
    guest = rig.guest()
    for number, sizes in enumerate(((24, 16), (40,), (27, 3, 10), (4,) * 10), start=1):
        body = ResourceCreate2d(number, Format.B8G8R8X8, 32, 32)
        request = guest.request(Command.RESOURCE_CREATE_2D, body)
        (answer,) = room = _room(guest, (24,))
        guest.control.submit(_cut(guest, request, sizes) + room)
        (used,) = guest.control.finish()
        found = guest.parse(used, answer.piece, "RESOURCE_CREATE_2D")
        require(found.type == Response.OK_NODATA, f"RESOURCE_CREATE_2D, cut {sizes}, is answered {found}")
        guest.do(Command.RESOURCE_UNREF, ResourceUnref(number))


@check("2.7.4.1")
def answers_may_be_cut_anywhere(rig: Rig) -> None:
    """Writable buffers are one stream, too: an answer goes on from one to the next."""
    guest = rig.guest()
    for sizes in ((24, 384), (3, 21, 100, 284), (8,) * 51):
        _ask_display_info(guest, (24,), sizes)


@check("2.7.5.1")
def readable_buffers_are_not_written(rig: Rig) -> None:
    """The device writes to no buffer that is for it to read, and to no byte around an answer."""
    guest = rig.guest()
    request = guest.memory.put(guest.request(Command.GET_DISPLAY_INFO, fence=77))
    frame = guest.memory.put(bytes([_MARK]) * (_DISPLAY_INFO_BYTES + 128))
    answer = Piece(frame.address + 64, _DISPLAY_INFO_BYTES)
    before = guest.memory.read(*request)
    guest.control.submit([Buffer(request), Buffer(answer, writable=True)])
    guest.control.finish()
    require(guest.memory.read(*request) == before, "the request was overwritten")
    around = guest.memory.read(frame.address, 64) + guest.memory.read(answer.address + answer.length, 64)
    require(around == bytes([_MARK]) * 128, "bytes beside the answer's buffer were overwritten")


@check("2.7.5.1")
def descriptors_are_not_written(rig: Rig) -> None:
    """The device writes to no descriptor, and to nothing of the available ring."""
    guest = rig.guest()
    ring = guest.control
    guest.post(guest.request(Command.GET_DISPLAY_INFO))
    areas = (
        Piece(ring.table, descriptor_table_size(ring.size)),
        Piece(ring.available, available_ring_size(ring.size)),
    )
    before = [guest.memory.read(*area) for area in areas]
    ring.finish()
    guest.wire.round_trip()
    after = [guest.memory.read(*area) for area in areas]
    require(after[0] == before[0], "a descriptor was overwritten")
    require(after[1] == before[1], "the available ring was overwritten")


def _indirect_guest(rig: Rig) -> Guest:
    guest = rig.guest()
    need(bool(guest.features & RingFeature.INDIRECT_DESC), "INDIRECT_DESC is not offered")
    return guest


@check("2.7.5.3")
def indirect_tables_are_followed(rig: Rig) -> None:
    """A chain may stand in a table of its own, of which the queue has one descriptor."""
    guest = _indirect_guest(rig)
    buffers = _cut(guest, guest.request(Command.GET_DISPLAY_INFO), (24,)) + _room(guest, (24, 384))
    table = guest.control.indirect_table(buffers)
    before = guest.memory.read(*table)
    _display_info(guest, buffers, guest.control.chain([], table))
    require(guest.memory.read(*table) == before, "the indirect table was overwritten")


@check("2.7.5.3.2")
def the_write_flag_of_an_indirect_descriptor_means_nothing(rig: Rig) -> None:
    """A descriptor that refers to an indirect table may have the WRITE flag; it is ignored."""
    guest = _indirect_guest(rig)
    buffers = _cut(guest, guest.request(Command.GET_DISPLAY_INFO), (24,)) + _room(
        guest, (_DISPLAY_INFO_BYTES,)
    )
    table = guest.control.indirect_table(buffers)
    _display_info(guest, buffers, guest.control.chain([], table, extra_flags=DESC_F_WRITE))


@check("2.7.5.3.2")
def indirect_tables_may_follow_descriptors(rig: Rig) -> None:
    """A chain may begin in the queue's own table and end in an indirect one."""
    guest = _indirect_guest(rig)
    request = guest.request(Command.GET_DISPLAY_INFO)
    for own in (1, 2):
        readable = _cut(guest, request, (10, 8, 6))
        writable = _room(guest, (_DISPLAY_INFO_BYTES,))
        table = guest.control.indirect_table([*readable[own:], *writable])
        _display_info(guest, writable, guest.control.chain(readable[:own], table))


@check("2.7.8.2")
def the_length_is_what_was_written(rig: Rig) -> None:
    """The used length counts bytes that the device has written, from the first writable one on."""
    guest = rig.guest()
    frame = guest.memory.put(bytes([_MARK]) * 2048)
    request = guest.memory.put(guest.request(Command.GET_DISPLAY_INFO))
    guest.control.submit([Buffer(request), Buffer(frame, writable=True)])
    (used,) = guest.control.finish()
    require(
        used.length == _DISPLAY_INFO_BYTES, f"GET_DISPLAY_INFO is answered with {used.length} bytes, not 408"
    )
    data = guest.memory.read(frame.address, used.length)
    require(data != bytes([_MARK]) * used.length, "the device says that it wrote, and wrote nothing")


@check("2.7.8.2")
def answers_end_with_their_room(rig: Rig) -> None:
    """An answer for which there is less room is cut; nothing is written beyond."""
    guest = rig.guest()
    frame = guest.memory.put(bytes([_MARK]) * 600)
    request = guest.memory.put(guest.request(Command.GET_DISPLAY_INFO))
    guest.control.submit([Buffer(request), Buffer(Piece(frame.address, 100), writable=True)])
    (used,) = guest.control.finish()  # fails when it claims more than 100
    rest = guest.memory.read(frame.address + 100, 500)
    require(
        rest == bytes([_MARK]) * 500, f"bytes beyond the buffer were overwritten; used length {used.length}"
    )


@check("2.7.8.2")
def without_room_there_is_no_answer(rig: Rig) -> None:
    """A request without a writable buffer is used with length 0."""
    guest = rig.guest()
    body = ResourceCreate2d(3, Format.B8G8R8X8, 16, 16)
    guest.post(guest.request(Command.RESOURCE_CREATE_2D, body), room=0)
    (used,) = guest.control.finish()
    require(used.length == 0, f"the used length is {used.length}")
    guest.do_display_info()


@check("2.7.13")
def many_requests_are_each_answered_once(rig: Rig) -> None:
    """Requests that are made available together are each used once, whatever the order."""
    guest = rig.guest()
    ring = guest.control
    places: dict[int, Piece] = {}
    for _ in range(_MANY):
        answer = guest.memory.take(_DISPLAY_INFO_BYTES)
        request = guest.memory.put(guest.request(Command.GET_DISPLAY_INFO))
        head = ring.chain([Buffer(request), Buffer(answer, writable=True)])
        places[head] = answer
        ring.publish(head)
    ring.kick()
    used = ring.finish(_MANY, f"{_MANY} used buffers")  # fails for one that is used twice
    found: list[Answer] = [guest.parse(one, places[one.head], "GET_DISPLAY_INFO") for one in used]
    wrong = [str(answer) for answer in found if answer.type != Response.OK_DISPLAY_INFO]
    require(not wrong, f"answers were {wrong}")


@check("2.7.13")
def heads_may_come_in_any_order(rig: Rig) -> None:
    """The available ring may name descriptors in any order, and reuse them once they are used."""
    guest = rig.guest()
    ring = guest.control
    heads = []
    for _ in range(4):
        request = guest.memory.put(guest.request(Command.GET_DISPLAY_INFO))
        answer = guest.memory.take(_DISPLAY_INFO_BYTES)
        heads.append(ring.chain([Buffer(request), Buffer(answer, writable=True)]))
    for head in reversed(heads):
        ring.publish(head)
    ring.kick()
    ring.finish(4)
    for _ in range(2 * ring.size):
        guest.do_display_info()
