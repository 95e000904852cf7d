"""How long a drawing takes."""

from __future__ import annotations

import time
from collections.abc import Callable

from compositor.bench.report import Measure


def milliseconds(draw: Callable[[], object]) -> Measure:
    """What measures one drawing, in ms."""

    def measure() -> float:
        start = time.perf_counter()
        draw()
        return (time.perf_counter() - start) * 1e3

    return measure


def warm_milliseconds(draw: Callable[[], object]) -> Measure:
    """As `milliseconds`, after one for practice: what fits into the caches is there."""
    measure = milliseconds(draw)

    def measure_again() -> float:
        draw()
        return measure()

    return measure_again
