"""What a handler answers when it does not refuse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from virtio.fence import Fence
from virtio.gpu.wire import Response


class Answer(NamedTuple):
    """A successful response.

    Attributes:
        response: Its type.
        body: What follows the header.
        fences: Display work that a fenced command's response has to wait for.
    """

    response: Response = Response.OK_NODATA
    body: bytes = b""
    fences: Sequence[Fence] = ()


DONE = Answer()
"""Carried out, and nothing to say (OK_NODATA)."""
