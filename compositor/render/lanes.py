"""Rows of a picture on two threads.

Copying and blending move megabytes, and one core cannot keep the memory busy. The kernels release the GIL,
so half of the rows can be worked on by a helper thread. Waking it and hearing from it takes some 0.05 ms, by
queues that are no more than that (a `ThreadPoolExecutor` takes 0.08): small jobs stay on one thread, and the
helper, which begins late, gets the smaller part.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

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
    if helper is None or not helper.busy.acquire(blocking=False):
        job(0, rows)
        return
    split = rows - int(rows * _HELPERS_PART)
    helper.jobs.put((job, split, rows))
    try:
        job(0, split)
    finally:
        failed = helper.done.get()
        helper.busy.release()
    if failed is not None:
        raise failed


def on_this_thread(job: Job, rows: int, _row_bytes: int) -> None:
    """As `run`, without another thread."""
    job(0, rows)


class Helper:
    """The second thread; it lives as long as the process, and sleeps on its queue.

    Attributes:
        jobs: What it does next: a job, and its rows.
        done: What came of it: None, or what went wrong.
        busy: Held by the thread whose job it does; others do theirs alone.
    """

    def __init__(self) -> None:
        self.jobs: SimpleQueue[tuple[Job, int, int]] = SimpleQueue()
        self.done: SimpleQueue[BaseException | None] = SimpleQueue()
        self.busy = threading.Lock()
        threading.Thread(target=self._work, name="scanout-render", daemon=True).start()

    def _work(self) -> None:
        while True:
            job, first, last = self.jobs.get()
            try:
                job(first, last)
            except BaseException as error:  # the caller shall hear of it, whatever it is
                self.done.put(error)
            else:
                self.done.put(None)
            del job  # and the pictures that it holds


@functools.cache
def _helper() -> Helper | None:
    """The second thread; None on a machine, or in a container, with one core."""
    return Helper() if len(os.sched_getaffinity(0)) > 1 else None


os.register_at_fork(after_in_child=_helper.cache_clear)  # a child has no threads but its own
