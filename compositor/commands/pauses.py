"""Short pauses of the garbage collector in a process that serves guests in real time.

A full collection looks at every object of the process. The modules of this package, numpy and numba are
150,000, and take 50 ms, three frames. A guest can bring such collections about, by whatever makes its
device hold many objects at a time; chains of 1,024 descriptors do. What there is at the first frame
stays anyway, and need not be looked at.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from compositor.machine import Machine
from compositor.output.frame import Frame


@contextmanager
def short_pauses(machine: Machine) -> Iterator[None]:
    """From a machine's first frame on, collections look only at what was made since; until the end."""
    frozen = False

    def freeze(_frame: Frame) -> None:
        nonlocal frozen
        if not frozen:
            frozen = True
            gc.freeze()

    for output in machine.outputs:
        machine.listen(output, freeze)
    try:
        yield
    finally:
        gc.unfreeze()
