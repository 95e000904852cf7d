"""What a request has to look like, and the header of its response (virtio 1.3, 5.7.6.7)."""

from __future__ import annotations

from virtio.gpu.commands import UNKNOWN, Entry
from virtio.gpu.errors import invalid_parameter, unspecified
from virtio.gpu.parking import TimelineKey
from virtio.gpu.wire import HEADER_SIZE, Flag, Header, Response, pack

_LARGEST_RING = 63  # virtio 1.3, 5.7.6.7: ring_idx is less than 64
_ECHOED = Flag.FENCE | Flag.INFO_RING_IDX


def check(entry: Entry, header: Header, request: bytes, size: int) -> None:
    """Refuse a request that its structure does not fit.

    Args:
        entry: What its type says that it is.
        header: Its header.
        request: What was read of it.
        size: Bytes that there were to read.

    Raises:
        CommandFault: It is unknown, too long or too short (ERR_UNSPEC), or on a timeline that cannot be
            (ERR_INVALID_PARAMETER).
    """
    if entry is UNKNOWN:
        raise unspecified(f"type {header.type:#06x} is no command of this queue")
    if size > len(request):
        raise unspecified(f"{size} bytes are more than any command has")
    if size < HEADER_SIZE + entry.layout.size:
        raise unspecified(f"{size} bytes are fewer than its {HEADER_SIZE + entry.layout.size}")
    if header.flags & Flag.INFO_RING_IDX and header.ring_idx > _LARGEST_RING:
        raise invalid_parameter(f"ring {header.ring_idx}, and the last is {_LARGEST_RING}")


PLAIN = {response: pack(Header(response)) for response in Response}
"""Response headers of commands without a fence."""


def echo(header: Header, response: Response) -> Header:
    """A fenced command's response carries its fence, whatever became of it (virtio 1.3, 5.7.6.7)."""
    flags = header.flags & _ECHOED
    ring_idx = header.ring_idx if flags & Flag.INFO_RING_IDX else 0
    return Header(response, flags, header.fence_id, header.ctx_id, ring_idx)


def timeline(header: Header) -> TimelineKey:
    """The line that a fenced command's response waits in."""
    return (header.ctx_id, header.ring_idx) if header.flags & Flag.INFO_RING_IDX else None
