"""Guest memory as a dma-buf, the kernel's handle for memory that devices share.

`/dev/udmabuf` (linux/udmabuf.h, drivers/dma-buf/udmabuf.c) makes one out of pages of memfds, in any order,
that cannot be cut short any more. A software driver needs no device to see memory, and Mesa's llvmpipe takes
the memfd itself for a dma-buf.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Callable

from compositor.errors import ScreenError
from compositor.render.pages import Pages

Export = Callable[[Pages], tuple[int, int]]
"""Returns a descriptor, the caller's to close, and the image's offset in it; ScreenError when it cannot."""

UDMABUF = "/dev/udmabuf"

_CREATE_LIST = 0x40087543  # UDMABUF_CREATE_LIST: _IOW('u', 0x43, struct udmabuf_create_list)
_CLOEXEC = 0x01  # UDMABUF_FLAGS_CLOEXEC
_LIST = struct.Struct("=II")  # flags, count
_ITEM = struct.Struct("=IIQQ")  # memfd, padding, offset, size


def by_udmabuf(pages: Pages) -> tuple[int, int]:
    """A dma-buf of the pages that the image lies on.

    Raises:
        ScreenError: The machine has no udmabuf, or it does not take this memory.
    """
    head = pages.pieces[0].offset % mmap.PAGESIZE
    items = bytearray()
    for index, piece in enumerate(pages.pieces):
        start = piece.offset - (head if index == 0 else 0)
        end = -(-(piece.offset + piece.size) // mmap.PAGESIZE) * mmap.PAGESIZE
        items += _ITEM.pack(piece.fd, 0, start, end - start)
    request = bytearray(_LIST.pack(_CLOEXEC, len(pages.pieces))) + items
    try:
        device = os.open(UDMABUF, os.O_RDWR | os.O_CLOEXEC)
        try:
            fd = fcntl.ioctl(device, _CREATE_LIST, request)
        finally:
            os.close(device)
    except OSError as error:
        raise ScreenError(f"{UDMABUF}: {error.strerror}") from None
    return fd, head + pages.offset


def as_it_is(pages: Pages) -> tuple[int, int]:
    """The memfd itself.

    Raises:
        ScreenError: The image lies in several pieces, which no offset and pitch can describe.
    """
    if len(pages.pieces) > 1:
        raise ScreenError(f"a memfd in {len(pages.pieces)} pieces is no picture")
    piece = pages.pieces[0]
    return os.dup(piece.fd), piece.offset + pages.offset
