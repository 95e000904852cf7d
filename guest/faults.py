"""Driver faults: what a broken or hostile guest does, each as an object with a name.

A fault is applied to a running driver. The device must answer with the error that the fault names, or,
when the rings themselves are broken, stop and ask for a reset; and it must serve the next guest as if
nothing had been.

    for fault in FAULTS.values():
        answers = fault.apply(guest.driver)
        assert answers == ([] if fault.expected is None else [fault.expected])
        guest.start()  # reboot
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from guest.driver import GpuDriver
from guest.driver.memory import PAGE
from guest.driver.raw_ring import RawRing
from virtio.gpu import wire
from virtio.gpu.formats import Format
from virtio.gpu.wire import BlobMem, Command, Flag, Header, Rect, Response
from virtio.memory import Run
from virtio.ring.layout import DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE, DESCRIPTOR_SIZE

NOWHERE = 1 << 40  # a guest address where there is no memory
UNKNOWN = 0xDEAD  # a resource that nobody made


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break the specification.

    Attributes:
        name: For test ids and the command line.
        description: One sentence.
        expected: The device's answer; None when it must stop and set NEEDS_RESET.
        commit: Does it, given the driver and the list to which the answer is to be added.
    """

    name: str
    description: str
    expected: Response | None
    commit: Callable[[GpuDriver, list[Response]], None]

    def apply(self, driver: GpuDriver) -> list[Response]:
        """Commit the fault.

        Returns:
            The device's answers, added as they come. A broken ring stays without one.
        """
        answers: list[Response] = []
        self.commit(driver, answers)
        return answers


FAULTS: dict[str, Fault] = {}
"""The catalogue, by name."""


def _name(function: Callable[..., Any]) -> str:
    return function.__name__.replace("_", "-")


def _ring_fault(break_ring: Callable[[RawRing], None]) -> None:
    """Register a fault that breaks the ring; its docstring describes it."""

    def commit(driver: GpuDriver, _answers: list[Response]) -> None:
        break_ring(RawRing(driver))
        driver.transport.kick(wire.CONTROL_QUEUE)

    name = _name(break_ring)
    FAULTS[name] = Fault(name, break_ring.__doc__ or "", None, commit)


class Sender:
    """Sends requests and collects their answers.

    Attributes:
        driver: Prepares what a fault needs.
    """

    def __init__(self, driver: GpuDriver, answers: list[Response]) -> None:
        self.driver = driver
        self._answers = answers

    def message(self, message: bytes, extra: bytes = b"") -> None:
        """Send any bytes to the control queue."""
        self.driver.queue(wire.CONTROL_QUEUE).submit(
            message,
            extra=extra,
            answer_size=wire.HEADER_SIZE,
            done=lambda answer: self._answers.append(Response(answer.header.type)),
        )

    def command(self, command: int, body: tuple[Any, ...], extra: bytes = b"") -> None:
        """Send a header and any body."""
        self.message(wire.pack(Header(command)) + wire.pack(body), extra)


def _request_fault(expected: Response) -> Callable[[Callable[[Sender], None]], None]:
    """Register a fault in a request that arrives whole; its docstring describes it."""

    def register(send: Callable[[Sender], None]) -> None:
        def commit(driver: GpuDriver, answers: list[Response]) -> None:
            send(Sender(driver, answers))
            driver.notify()

        name = _name(send)
        FAULTS[name] = Fault(name, send.__doc__ or "", expected, commit)

    return register


@_ring_fault
def looped_chain(ring: RawRing) -> None:
    """Two descriptors are each other's successor."""
    ring.describe(0, (ring.page, 24), DESC_F_NEXT, 1)
    ring.describe(1, (ring.page, 24), DESC_F_NEXT, 0)
    ring.publish(0)


@_ring_fault
def head_out_of_range(ring: RawRing) -> None:
    """The available ring names a descriptor beyond the table."""
    ring.publish(ring.size)


@_ring_fault
def successor_out_of_range(ring: RawRing) -> None:
    """A descriptor's successor is beyond the table."""
    ring.describe(0, (ring.page, 24), DESC_F_NEXT, ring.size)
    ring.publish(0)


@_ring_fault
def zero_length(ring: RawRing) -> None:
    """A descriptor has no bytes."""
    ring.describe(0, (ring.page, 0))
    ring.publish(0)


@_ring_fault
def readable_after_writable(ring: RawRing) -> None:
    """A buffer for the device to read follows one for it to write."""
    ring.describe(0, (ring.page, 24), DESC_F_NEXT | DESC_F_WRITE, 1)
    ring.describe(1, (ring.page, 24))
    ring.publish(0)


@_ring_fault
def buffer_outside_memory(ring: RawRing) -> None:
    """A descriptor's address is nowhere in the guest's memory."""
    ring.describe(0, (NOWHERE, 24))
    ring.publish(0)


@_ring_fault
def available_index_jump(ring: RawRing) -> None:
    """The available index runs ahead by more than the queue holds."""
    ring.publish(0, ahead=ring.size + 1)


@_ring_fault
def indirect_in_indirect(ring: RawRing) -> None:
    """An indirect table has an indirect descriptor."""
    ring.describe(0, (ring.page, 2 * DESCRIPTOR_SIZE), DESC_F_INDIRECT)
    ring.describe_indirect(0, (ring.page, 2 * DESCRIPTOR_SIZE), DESC_F_INDIRECT)
    ring.publish(0)


@_ring_fault
def indirect_with_successor(ring: RawRing) -> None:
    """An indirect descriptor has a successor."""
    ring.describe(0, (ring.page, DESCRIPTOR_SIZE), DESC_F_INDIRECT | DESC_F_NEXT, 1)
    ring.publish(0)


@_ring_fault
def indirect_loop(ring: RawRing) -> None:
    """A descriptor of an indirect table is its own successor."""
    ring.describe(0, (ring.page, DESCRIPTOR_SIZE), DESC_F_INDIRECT)
    ring.describe_indirect(0, (ring.page, 24), DESC_F_NEXT, 0)
    ring.publish(0)


@_ring_fault
def indirect_of_odd_length(ring: RawRing) -> None:
    """An indirect table is not a multiple of a descriptor long."""
    ring.describe(0, (ring.page, DESCRIPTOR_SIZE + 1), DESC_F_INDIRECT)
    ring.publish(0)


@_ring_fault
def indirect_outside_memory(ring: RawRing) -> None:
    """An indirect table is nowhere in the guest's memory."""
    ring.describe(0, (NOWHERE, DESCRIPTOR_SIZE), DESC_F_INDIRECT)
    ring.publish(0)


@_request_fault(Response.ERR_UNSPEC)
def short_header(out: Sender) -> None:
    """A request that ends inside its header."""
    out.message(bytes(10))


@_request_fault(Response.ERR_UNSPEC)
def short_body(out: Sender) -> None:
    """A request ends before its structure does."""
    out.command(Command.GET_EDID, wire.NoBody())


@_request_fault(Response.ERR_UNSPEC)
def unknown_command(out: Sender) -> None:
    """A command that does not exist."""
    out.command(0x01FF, wire.NoBody())


@_request_fault(Response.ERR_UNSPEC)
def command_of_3d(out: Sender) -> None:
    """A 3D command, though VIRGL was not negotiated."""
    out.command(Command.CTX_CREATE, wire.CtxCreate(0))


@_request_fault(Response.ERR_INVALID_PARAMETER)
def edid_of_no_scanout(out: Sender) -> None:
    """The EDID of a scanout that does not exist."""
    out.command(Command.GET_EDID, wire.GetEdid(16))


@_request_fault(Response.ERR_INVALID_RESOURCE_ID)
def flush_of_unknown_resource(out: Sender) -> None:
    """A flush of a resource that was never made."""
    out.command(Command.RESOURCE_FLUSH, wire.ResourceFlush(Rect(0, 0, 16, 16), UNKNOWN))


@_request_fault(Response.ERR_INVALID_RESOURCE_ID)
def unref_of_unknown_resource(out: Sender) -> None:
    """The end of a resource that was never made."""
    out.command(Command.RESOURCE_UNREF, wire.ResourceUnref(UNKNOWN))


@_request_fault(Response.ERR_INVALID_RESOURCE_ID)
def resource_zero(out: Sender) -> None:
    """A resource with the id that means none."""
    out.command(Command.RESOURCE_CREATE_2D, wire.ResourceCreate2d(0, Format.B8G8R8X8, 16, 16))


@_request_fault(Response.ERR_INVALID_RESOURCE_ID)
def resource_id_taken(out: Sender) -> None:
    """A resource with the id of another one."""
    out.command(Command.RESOURCE_CREATE_2D, wire.ResourceCreate2d(_blob(out)[0], Format.B8G8R8X8, 16, 16))


@_request_fault(Response.ERR_UNSPEC)
def entries_truncated(out: Sender) -> None:
    """A list of four memory entries that ends after the first."""
    out.command(Command.RESOURCE_CREATE_BLOB, _create_blob(out, entries=4), _one_page(out))


@_request_fault(Response.ERR_UNSPEC)
def entries_beyond_limit(out: Sender) -> None:
    """A list that claims more memory entries than any device takes."""
    out.command(Command.RESOURCE_CREATE_BLOB, _create_blob(out, entries=0xFFFF_FFFF), _one_page(out))


@_request_fault(Response.ERR_UNSPEC)
def entries_outside_memory(out: Sender) -> None:
    """A memory entry that is nowhere in the guest's memory."""
    out.command(Command.RESOURCE_CREATE_BLOB, _create_blob(out), wire.pack_entries([(NOWHERE, PAGE)]))


@_request_fault(Response.ERR_INVALID_PARAMETER)
def blob_of_no_size(out: Sender) -> None:
    """A blob of zero bytes."""
    out.command(Command.RESOURCE_CREATE_BLOB, _create_blob(out, size=0), _one_page(out))


@_request_fault(Response.ERR_INVALID_PARAMETER)
def blob_beyond_its_memory(out: Sender) -> None:
    """A blob that says it is larger than its memory entries are together."""
    out.command(Command.RESOURCE_CREATE_BLOB, _create_blob(out, size=1 << 40), _one_page(out))


@_request_fault(Response.ERR_INVALID_PARAMETER)
def blob_of_no_kind(out: Sender) -> None:
    """A blob in memory of a kind that does not exist."""
    out.command(Command.RESOURCE_CREATE_BLOB, _create_blob(out, kind=0), _one_page(out))


@_request_fault(Response.ERR_INVALID_SCANOUT_ID)
def scanout_out_of_range(out: Sender) -> None:
    """A picture for a scanout that does not exist."""
    out.command(Command.SET_SCANOUT_BLOB, _scanout_blob(out, scanout=16))


@_request_fault(Response.ERR_INVALID_PARAMETER)
def scanout_beyond_blob(out: Sender) -> None:
    """A picture whose last rows lie beyond the end of its blob."""
    out.command(Command.SET_SCANOUT_BLOB, _scanout_blob(out, height=_SIDE + 1))


@_request_fault(Response.ERR_INVALID_PARAMETER)
def scanout_wraps_around(out: Sender) -> None:
    """A rectangle whose right edge fits only if 32 bits overflow."""
    out.command(Command.SET_SCANOUT_BLOB, _scanout_blob(out, rect=Rect(0xFFFF_FFF0, 0, 32, _SIDE)))


@_request_fault(Response.ERR_INVALID_PARAMETER)
def scanout_of_unknown_format(out: Sender) -> None:
    """A picture in a format that virtio-gpu does not know."""
    out.command(Command.SET_SCANOUT_BLOB, _scanout_blob(out, pixel_format=5))


@_request_fault(Response.OK_NODATA)
def unref_of_scanned_out_resource(out: Sender) -> None:
    """The end of a resource that is on the screen: allowed, and the screen goes dark."""
    resource_id, runs = _blob(out)
    out.driver.set_scanout_blob(0, resource_id, (_SIDE, _SIDE), Format.B8G8R8X8, 4 * _SIDE)
    out.driver.flush(resource_id, Rect(0, 0, _SIDE, _SIDE))
    out.command(Command.RESOURCE_UNREF, wire.ResourceUnref(resource_id))
    out.driver.notify()
    out.driver.ram.free(runs)


@_request_fault(Response.OK_NODATA)
def fence_reused(out: Sender) -> None:
    """A flush with the fence of one that is done: answered all the same, its number is the driver's own."""
    resource_id, runs = _blob(out)
    fence = out.driver.flush(resource_id, Rect(0, 0, _SIDE, _SIDE))
    out.driver.notify()
    header = Header(Command.RESOURCE_FLUSH, Flag.FENCE, fence.seqno)
    body = wire.ResourceFlush(Rect(0, 0, _SIDE, _SIDE), resource_id)
    out.message(wire.pack(header) + wire.pack(body))
    out.driver.unref(resource_id, lambda: out.driver.ram.free(runs))


_SIDE = 32  # of the pictures, pixels: a page each


def _one_page(out: Sender) -> bytes:
    return wire.pack_entries([out.driver.ram.allocate_contiguous(PAGE)])


def _create_blob(
    out: Sender, *, kind: int = BlobMem.GUEST, entries: int = 1, size: int = PAGE
) -> wire.ResourceCreateBlob:
    return wire.ResourceCreateBlob(out.driver.new_resource_id(), kind, 0, entries, 0, size)


def _blob(out: Sender) -> tuple[int, list[Run]]:
    """A valid blob, for a fault that needs one."""
    resource_id, runs = out.driver.new_resource_id(), out.driver.ram.allocate(PAGE)
    out.driver.create_blob(resource_id, runs, PAGE)
    return resource_id, runs


def _scanout_blob(
    out: Sender,
    *,
    scanout: int = 0,
    height: int = _SIDE,
    rect: Rect | None = None,
    pixel_format: int = Format.B8G8R8X8,
) -> wire.SetScanoutBlob:
    """A SET_SCANOUT_BLOB that would be valid but for the arguments."""
    rect = rect or Rect(0, 0, _SIDE, height)
    size = (_SIDE, height)
    return wire.SetScanoutBlob(
        rect, scanout, _blob(out)[0], *size, pixel_format, strides=(4 * _SIDE, 0, 0, 0)
    )
