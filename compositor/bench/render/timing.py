"""How long a drawing takes."""

from __future__ import annotations

import time
from collections.abc import Callable

from compositor.bench.report import Measure


def milliseconds(draw: Callable[[], object], times: int = 1) -> Measure:
    """What measures one drawing, in ms, as the mean of so many."""

    def measure() -> float:
        start = time.perf_counter()
        for _ in range(times):
            draw()
        return (time.perf_counter() - start) * 1e3 / times

    return measure
