"""What a process holds at one time of a long run, and whether that grows.

A sample is taken when all guests but the one that stays have left: then the same things are there each time,
and what is more than before was left behind. Whether a quantity grows is judged by the slope that the median
of the slopes between all pairs of samples has (Theil and Sen): a few samples that are out of line do not
move it. The first quarter is left out: caches fill, and code is loaded.
"""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

_WARM_UP = 1 / 4  # of all samples
_MIB = 1 << 20


class Sample(NamedTuple):
    """One look.

    Attributes:
        seconds: When it was taken, on the run's clock.
        events: What had happened by then: guests that came, went, were killed or restarted, monitors.
        resident: Resident memory of this process, bytes.
        own: The part of it that is backed by no file, bytes.
        descriptors: Open ones.
        memfds: Those of them that are memory of guests.
        mappings: All ranges of the address space.
        threads: Of Python.
        tasks: Of the event loop.
        objects: That the garbage collector knows.
        latency_ms: From flush to screen, p99 since the last look, of the guest that stays.
    """

    seconds: float
    events: int
    resident: int
    own: int
    descriptors: int
    memfds: int
    mappings: int
    threads: int
    tasks: int
    objects: int
    latency_ms: float


class Tolerance(NamedTuple):
    """How much a quantity may grow in a whole run.

    Attributes:
        least: So much, in the quantity's unit,
        part: or such a part of what it was, if that is more.
    """

    least: float
    part: float = 0.0


TOLERANCES: Mapping[str, Tolerance] = {
    "resident": Tolerance(4 * _MIB, 0.03),
    "own": Tolerance(4 * _MIB, 0.03),
    "descriptors": Tolerance(0.5),
    "memfds": Tolerance(0.5),
    "mappings": Tolerance(8, 0.02),  # the allocator's own arenas come and go
    "threads": Tolerance(0.5),
    "tasks": Tolerance(0.5),
    "objects": Tolerance(500, 0.005),
    "latency_ms": Tolerance(8.0, 0.25),
}
"""What may grow, by the attribute of `Sample`; of a loaded machine the latency may, somewhat."""


class Trend(NamedTuple):
    """What became of one quantity.

    Attributes:
        name: The attribute of `Sample`.
        first: Its median in the first half of what counts.
        last: And in the second half.
        growth: The robust slope, times the time that counts.
        tolerance: How much that may be.
    """

    name: str
    first: float
    last: float
    growth: float
    tolerance: float

    @property
    def flat(self) -> bool:
        """Whether it has not grown; that it shrinks is no fault."""
        return self.growth <= self.tolerance


def take(seconds: float, events: int, latency_ms: float) -> Sample:
    """Look at this process, inside of its event loop."""
    gc.collect()
    descriptors = [_target(path) for path in Path("/proc/self/fd").iterdir()]
    memory = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if "kB" in line
    )
    return Sample(
        round(seconds, 3),
        events,
        int(memory["VmRSS"].split()[0]) << 10,
        int(memory["RssAnon"].split()[0]) << 10,
        len(descriptors),
        sum(target.startswith("/memfd:") for target in descriptors),
        Path("/proc/self/maps").read_text().count("\n"),
        threading.active_count(),
        len(asyncio.all_tasks()),
        len(gc.get_objects()),
        round(latency_ms, 3),
    )


def trends(samples: Sequence[Sample]) -> list[Trend]:
    """How each quantity went, the warm-up left out; at least four samples."""
    counted = samples[int(len(samples) * _WARM_UP) :]
    seconds = np.array([sample.seconds for sample in counted])
    found = []
    for name, tolerance in TOLERANCES.items():
        values = np.array([float(getattr(sample, name)) for sample in counted])
        half = len(values) // 2
        first, last = float(np.median(values[:half])), float(np.median(values[half:]))
        growth = slope(seconds, values) * float(seconds[-1] - seconds[0])
        found.append(Trend(name, first, last, growth, max(tolerance.least, tolerance.part * first)))
    return found


def slope(at: np.ndarray, values: np.ndarray) -> float:
    """The median slope between all pairs of values, after Theil and Sen."""
    one, other = np.triu_indices(len(at), 1)
    return float(np.median((values[other] - values[one]) / (at[other] - at[one])))


def _target(path: Path) -> str:
    """What a descriptor is of; empty: it was that of the listing."""
    try:
        return os.readlink(path)  # noqa: PTH115 - a text, not a path
    except OSError:
        return ""
