"""What tests of commanded guests have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compositor.machine import Machine

CURSOR_SIDE = 64


async def seen(machine: Machine, output: int = 0) -> NDArray[np.uint8]:
    """What an output shows some refreshes later, (height, width, 3)."""
    await machine.run(seconds=0.05)
    return machine.screenshot(output)[..., :3]
