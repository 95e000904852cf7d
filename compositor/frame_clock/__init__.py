"""When an output is repainted, and when what was painted is on the screen.

A `Panel` is the monitor: `VblankGrid` shows frames on a grid of vblanks, `VariableRefresh` when they are
ready, within its limits. A frame clock decides when the compositor begins a frame for it:

`AtVblank` paints at the very vblank and shows at once; what arrives between two vblanks shares one repaint.
`Paced` has a pipeline: painting takes time, is begun so long before (or after) a vblank as its `Pacing`
says, and the frame appears at the first vblank that finds it finished.
`OnDemand` follows the guest: a frame is presented as soon as it is flushed, but never sooner than
`min_interval_ns` after the last one; cursors that move alone share a frame in each refresh. A real kernel's
virtio-gpu driver has a vblank timer of its own with no phase in common with the host's; a fixed grid would
halve its rate for an unlucky phase (its flip waits for the flush's fence), so real guests get this one.
`Recorded` is for replays, which know when a frame was presented.


All of them sleep until the output asks for a frame: an idle output makes no appointments.
"""

from compositor.frame_clock.clocks import AtVblank, FrameClock, OnDemand, Recorded, Scheduler
from compositor.frame_clock.paced import Paced
from compositor.output.pacing import Pacing
from compositor.output.panel import Panel, VariableRefresh, VblankGrid

__all__ = [
    "AtVblank",
    "FrameClock",
    "OnDemand",
    "Paced",
    "Pacing",
    "Panel",
    "Recorded",
    "Scheduler",
    "VariableRefresh",
    "VblankGrid",
]
