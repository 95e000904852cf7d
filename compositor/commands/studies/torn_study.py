"""`scanout run torn-study`: that every sync policy but one keeps its promise, in a hundred thousand frames.

The guest, the host and their times are those of the sync study (see `sync_study`), with a guest that draws
for 11 of 16.7 ms: so under "none" it draws into what the host still shows, and under the others it would, if
a fence came too early only once. The guest draws in bands, from the top, and each frame is looked at as it is
taken and as it is shown. What is expected is checked, and the exit status says whether it held.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.table import Table

from compositor.adapter.sync_policy import SyncPolicy
from compositor.commands.options import RunOptions
from compositor.commands.studies.sync_study import Measured, measure
from compositor.errors import BadInput, RunFailed
from compositor.observe.statistics import write_json
from guest.linux import shown_progress

FRAMES = 100_000
_RENDER_MS = 11
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def torn_study(run: RunOptions, kernel: Path | None = None) -> None:
    """Print, and with `--stats` write, how many frames each policy tore.

    Args:
        run: The user's options.
        kernel: Must be None.

    Raises:
        BadInput: An option that this study has no use for.
        RunFailed: A policy broke its promise, or "none" tore nothing, so that this study would prove nothing.
    """
    if run.window or run.clock == "real" or run.screenshot is not None or run.seconds is not None:
        raise BadInput("torn-study runs on virtual time and shows no picture: it takes --frames and --stats")
    if kernel is not None:
        raise BadInput(
            "torn-study has no use for a kernel; sync-study has, for the policies that Linux knows"
        )
    results = _all(run.frames or FRAMES, run.seed)
    if run.stats is not None:
        write_json(run.stats, {"study": "torn", "results": [result._asdict() for result in results]})
    Console().print(table(results))
    broken = [result.policy for result in results if not holds(result)]
    if broken:
        raise RunFailed(f"torn-study: not as it should be: {', '.join(broken)}")


def count(policy: SyncPolicy, frames: int, seed: int) -> Measured:
    """One policy's frames."""
    return asyncio.run(measure(policy, _RENDER_MS, frames=frames, seed=seed))


def _all(frames: int, seed: int) -> list[Measured]:
    """All policies, as many at a time as there are cores: each is a run of its own, and minutes long."""
    policies = list(SyncPolicy)
    workers = min(len(policies), len(os.sched_getaffinity(0)))
    results: list[Measured] = []
    # Leaving the pool ends its workers, also when we are interrupted.
    with get_context("spawn").Pool(workers, _work_for, [os.getpid()]) as pool, shown_progress() as progress:
        for result in pool.imap(partial(count, frames=frames, seed=seed), policies):
            results.append(result)
            progress("counting torn frames", len(results) / len(policies))
    return results


def _work_for(parent: int) -> None:
    """A worker's first steps: ^C is its parent's matter, and it does not outlive that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before that
        sys.exit(1)


def holds(result: Measured) -> bool:
    """Whether a policy did what it is for: "none" tears, and that is seen; no other does."""
    if result.policy == SyncPolicy.NONE:
        return result.torn > 0 and result.early_reuse > 0
    return result.torn == 0 and result.early_reuse == 0


def table(results: Sequence[Measured]) -> Table:
    """A row for each policy."""
    title = f"a guest that draws for {_RENDER_MS} ms, at 60 Hz"
    shown = Table(title=title, title_justify="left")
    shown.add_column("policy")
    for column in ("frames", "fps", "torn", "reused early", "as it should be"):
        shown.add_column(column, justify="right")
    for result in results:
        shown.add_row(
            result.policy,
            f"{result.frames:,}",
            f"{result.fps:.1f}",
            f"{result.torn:,}",
            f"{result.early_reuse:,}",
            "yes" if holds(result) else "no",
        )
    return shown
