"""What a workload is, and which there are."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from virtio.errors import Misuse


class Workload(Protocol):
    """A small animated scene: a pure function of (size, frame, seed), the same bytes on every machine.

    Attributes:
        name: For the command line and messages.
        opaque: False when byte 3 of its pixels is alpha (colours premultiplied by it), True when that
            byte means nothing.
    """

    name: str
    opaque: bool

    def draw(self, frame: int, pixels: NDArray[np.uint8]) -> None:
        """Draw one frame, stamped (see `guest.workloads.stamp`).

        Args:
            frame: Its number, from 0. Any frame can be drawn at any time.
            pixels: (height, width, 4) uint8, B8G8R8A8 or B8G8R8X8; every pixel is written.
        """


# Imported at first use: their compiled kernels need numba, which takes its time to import.
_REGISTRY = {
    "gears": "guest.workloads.gears:Gears",
    "plasma": "guest.workloads.plasma:Plasma",
    "terminal": "guest.workloads.terminal:Terminal",
    "video": "guest.workloads.video:Video",
    "drag": "guest.workloads.drag:Drag",
    "desktop": "guest.workloads.desktop:Desktop",
    "stress": "guest.workloads.stress:Stress",
}

WORKLOADS = tuple(_REGISTRY)
"""Names that `create_workload` knows."""


def create_workload(name: str, seed: int = 0) -> Workload:
    """Make a workload by name.

    Raises:
        Misuse: There is no such workload.
    """
    if name not in _REGISTRY:
        raise Misuse(f"there is no workload {name!r}; there are {', '.join(WORKLOADS)}")
    module, factory = _REGISTRY[name].split(":")
    return cast("Callable[[int], Workload]", getattr(import_module(module), factory))(seed)
