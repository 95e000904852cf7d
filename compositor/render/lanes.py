"""Rows of a picture on two threads.

Copying and blending move megabytes, and one core cannot keep the memory busy. The kernels release the GIL,
so half of the rows can be worked on by a helper thread. Waking it costs a tenth of a millisecond: small
jobs stay on one thread, and the helper, which begins late, gets the smaller part.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_WORTH = 1 << 20  # bytes; what one core moves in the time that it takes to wake another, and some more
_HELPERS_PART = 0.45

Job = Callable[[int, int], None]
"""Works on rows from the first number to, not including, the second."""

Run = Callable[[Job, int, int], None]
"""Does a job for all rows; arguments as those of `run`."""


def run(job: Job, rows: int, row_bytes: int) -> None:
    """Do `job` for all rows, on one or two threads; returns when it is done.

    Args:
        job: Called once or twice, with parts that do not overlap; it shall release the GIL.
        rows: Number of rows.
        row_bytes: What one of them has to move, bytes.
    """
    helper = _helper() if rows * row_bytes >= _WORTH else None
    if helper is None:
        job(0, rows)
        return
    split = rows - int(rows * _HELPERS_PART)
    other = helper.submit(job, split, rows)
    try:
        job(0, split)
    finally:
        other.result()


def on_this_thread(job: Job, rows: int, _row_bytes: int) -> None:
    """As `run`, without another thread."""
    job(0, rows)


@functools.cache
def _helper() -> ThreadPoolExecutor | None:
    """The second thread; None on a machine, or in a container, with one core."""
    if len(os.sched_getaffinity(0)) < 2:
        return None
    return ThreadPoolExecutor(1, thread_name_prefix="scanout-render")
