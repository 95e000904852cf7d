"""Mapping scattered guest pages: fixed mappings over a reservation, against copying the pages together.

The mapping is made once in a buffer's life, the copy would be made for every frame.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from compositor.bench.report import Report, interleave
from virtio.memory import GuestMemory, Region, SharedHandle

PAGE = 4096
_RUNS = 31


@contextmanager
def scattered(pages: int) -> Iterator[tuple[GuestMemory, list[tuple[int, int]]]]:
    """Guest memory, touched, and `pages` of its pages of which no two are neighbours, in random order."""
    size = 2 * pages * PAGE
    with SharedHandle.create(size, name="bench") as handle, GuestMemory([Region(0, size, handle)]) as memory:
        np.frombuffer(memory.view(0, size), np.uint8)[::PAGE] = 1
        order = random.Random(pages).sample(range(pages), pages)
        yield memory, [(2 * page * PAGE, PAGE) for page in order]


def run() -> Report:
    """Milliseconds to map and unmap 1,000 and 2,025 pages (one 1920x1080 frame), none of them neighbours."""
    report = Report("mapping", versions={"numpy": np.__version__})
    for pages in (1000, 2025):
        with scattered(pages) as (memory, runs):
            out = np.empty(pages * PAGE, np.uint8)

            def map_unmap(memory: GuestMemory = memory, runs: list[tuple[int, int]] = runs) -> float:
                start = time.perf_counter()
                memory.map_scattered(runs).close()
                return (time.perf_counter() - start) * 1e3

            def gather(
                memory: GuestMemory = memory,
                runs: list[tuple[int, int]] = runs,
                out: np.ndarray[tuple[int], np.dtype[np.uint8]] = out,
            ) -> float:
                start = time.perf_counter()
                memory.gather(runs, out)
                return (time.perf_counter() - start) * 1e3

            report.rows.append(
                interleave(f"map-{pages}-pages", "ms", map_unmap, {"copy-once": gather}, runs=_RUNS)
            )
    return report
