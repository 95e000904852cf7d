"""What a workload is."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from guest.damage import Rectangles
from virtio.errors import Misuse
from virtio.gpu.formats import Format


class Workload(Protocol):
    """What a simulated guest shows: an animated scene, a pure function of (size, frame, seed).

    A workload of another order of bytes than B8G8R8A8 and B8G8R8X8 has one attribute more, `format`, a
    `virtio.gpu.formats.Format` or its name.

    Attributes:
        name: For the command line and messages.
        opaque: False when byte 3 of its pixels is alpha (colours premultiplied by it), True when that
            byte means nothing.
    """

    name: str
    opaque: bool

    def draw(self, frame: int, pixels: NDArray[np.uint8]) -> Rectangles:
        """Draw one frame; those that ship stamp it (see `guest.workloads.stamp`).

        Args:
            frame: Its number, from 0. Any frame can be drawn at any time.
            pixels: (height, width, 4) uint8, B8G8R8A8 or B8G8R8X8; every pixel is written.

        Returns:
            What differs from the frame before, as rectangles (x, y, width, height): the host is told that
            only this has changed, and may leave the rest as it was. An empty list: nothing. None, which is
            what a function without `return` returns: everything. A guest that draws on a GPU always says
            everything.
        """


def format_of(workload: Workload) -> Format:
    """The pixel format of a workload.

    Raises:
        Misuse: Its `format` is none.
    """
    own: Format | str | None = getattr(workload, "format", None)
    if own is not None:
        return Format.named(own)
    return Format.B8G8R8X8 if workload.opaque else Format.B8G8R8A8


def check_workload(workload: object, what: str) -> None:
    """Refuse what is no workload.

    Raises:
        Misuse: It lacks a part of the protocol; `what` is how the author calls it.
    """
    kinds = (("name", str, "a text"), ("opaque", bool, "True or False"))
    for attribute, kind, words in kinds:
        if not isinstance(getattr(workload, attribute, None), kind):
            raise Misuse(f"{what} is no workload: it needs an attribute {attribute!r}, {words}")
    if not callable(getattr(workload, "draw", None)):
        raise Misuse(f"{what} is no workload: it needs a method draw(frame, pixels)")
    own = getattr(workload, "format", None)
    if own is not None and Format.named(own).has_alpha is getattr(workload, "opaque", None):
        raise Misuse(f"{what}: opaque={workload.opaque} does not go with its format")  # type: ignore[attr-defined]
