"""The header of requests and responses (5.7.6.7), and requests that are none."""

from __future__ import annotations

from compositor.conform.check import Group
from compositor.conform.memory import Piece
from compositor.conform.rig import Rig
from compositor.conform.ring import Buffer
from compositor.conform.verdict import require
from virtio.gpu.wire import CURSOR_QUEUE, Command, Flag, ResourceUnref, Response

_GROUP = Group("requests")
check = _GROUP.check

_NO_COMMANDS = (0x0000, 0x00FF, 0x01FF, 0x0302, 0x1100, 0xFFFF_FFFF)


@check("5.7.6.7")
def unknown_commands_get_an_error(rig: Rig) -> None:
    """A request whose type is no command is answered with one of the six errors."""
    guest = rig.guest()
    for kind in _NO_COMMANDS:
        answer = guest.ask(kind)
        require(answer.is_error, f"type {kind:#x} is answered {answer}")


@check("5.7.6.7", "should")
def unknown_commands_are_unspecified(rig: Rig) -> None:
    """The error for a type that is no command is ERR_UNSPEC."""
    guest = rig.guest()
    for kind in _NO_COMMANDS:
        guest.fail(kind, b"", [Response.ERR_UNSPEC])


@check("5.7.6.7", "should")
def requests_shorter_than_their_structure_get_an_error(rig: Rig) -> None:
    """A request that ends within its structure is answered with an error: its fields are not there."""
    guest = rig.guest()
    for command in (Command.RESOURCE_CREATE_2D, Command.SET_SCANOUT, Command.TRANSFER_TO_HOST_2D):
        answer = guest.ask(command, bytes(4))
        require(answer.is_error, f"{command.name}, cut to 28 bytes, is answered {answer}")


@check("5.7.6.7", "should")
def requests_shorter_than_a_header_are_given_back(rig: Rig) -> None:
    """A request too short for a header is used, too: the queue goes on."""
    guest = rig.guest()
    guest.post(b"\0\1")
    guest.control.finish(1, "the used buffer of a request of two bytes")
    guest.do_display_info()


@check("5.7.6.7", "should")
def requests_without_bytes_are_given_back(rig: Rig) -> None:
    """A chain with a writable buffer alone is used, too."""
    guest = rig.guest()
    answer = guest.memory.take(408)
    guest.control.submit([Buffer(Piece(answer.address, 408), writable=True)])
    guest.control.finish(1, "the used buffer of a request without bytes")
    guest.do_display_info()


@check("5.7.6.7", "should")
def longer_requests_are_understood(rig: Rig) -> None:
    """Bytes behind a structure mean nothing: a driver may send its requests in buffers of one size."""
    guest = rig.guest()
    answer = guest.ask(Command.GET_DISPLAY_INFO, bytes(72))
    require(answer.type == Response.OK_DISPLAY_INFO, f"GET_DISPLAY_INFO of 96 bytes is answered {answer}")


@check("5.7.6.7")
def a_refused_request_changes_nothing_else(rig: Rig) -> None:
    """After a refused request the device works as before."""
    guest = rig.guest()
    before = guest.do_display_info()
    for kind in (*_NO_COMMANDS, Command.RESOURCE_FLUSH):
        guest.ask(kind, bytes(40))
    require(guest.do_display_info() == before, "the display info has changed")


@check("5.7.6.7", "should")
def plain_answers_have_no_fence(rig: Rig) -> None:
    """The answer to a request without a fence has none."""
    guest = rig.guest()
    for answer in (guest.ask(Command.GET_DISPLAY_INFO), guest.ask(Command.RESOURCE_UNREF, ResourceUnref(9))):
        require(not answer.header.flags & Flag.FENCE, f"{answer} has the flags {answer.header.flags:#x}")


@check("5.7.2")
def each_queue_is_served_alone(rig: Rig) -> None:
    """The cursor queue gives its requests back while the control queue is not even started."""
    guest = rig.stranger()
    guest.negotiate()
    guest.share_memory()
    guest.share_display()
    guest.rings = [guest.make_ring(), guest.make_ring()]
    guest.start_ring(CURSOR_QUEUE, guest.cursor)
    guest.post(guest.request(Command.MOVE_CURSOR, bytes(32)), queue=CURSOR_QUEUE)
    guest.cursor.finish(1, "the used buffer of MOVE_CURSOR")
