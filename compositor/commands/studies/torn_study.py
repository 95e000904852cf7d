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
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from rich.table import Table

from compositor.adapter.sync_policy import SyncPolicy
from compositor.commands.options import RunOptions
from compositor.commands.studies.study import make_table, tell
from compositor.commands.studies.sync_study import SyncFigures, measure
from compositor.errors import RunFailed
from guest.linux import shown_progress

FRAMES = 100_000
_RENDER_MS = 11
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def torn_study(run: RunOptions, _kernel: Path | None = None) -> None:
    """Tell how many frames each policy tore.

    Raises:
        RunFailed: A policy broke its promise, or "none" tore nothing, so that this study would prove nothing.
    """
    results = _all(run.frames or FRAMES, run.seed)
    tell("torn", run, table(results), results)
    broken = [result.policy for result in results if not holds(result)]
    if broken:
        raise RunFailed(f"torn-study: not as it should be: {', '.join(broken)}")


def count(policy: SyncPolicy, frames: int, seed: int) -> SyncFigures:
    """One policy's frames."""
    return asyncio.run(measure(policy, _RENDER_MS, frames=frames, seed=seed))


def _all(frames: int, seed: int) -> list[SyncFigures]:
    """All policies, as many at a time as there are cores: each is a run of its own, and minutes long."""
    policies = list(SyncPolicy)
    workers = min(len(policies), len(os.sched_getaffinity(0)))
    results: list[SyncFigures] = []
    # Leaving the pool ends its workers, also when this process is interrupted.
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


def holds(result: SyncFigures) -> bool:
    """Whether a policy did what it is for: "none" tears, and that is seen; no other does."""
    if result.policy == SyncPolicy.NONE:
        return result.torn > 0 and result.early_reuse > 0
    return result.torn == 0 and result.early_reuse == 0


def table(results: Sequence[SyncFigures]) -> Table:
    """A row for each policy."""
    columns: dict[str, Callable[[SyncFigures], object]] = {
        "policy": lambda result: result.policy,
        "frames": lambda result: f"{result.frames:,}",
        "fps": lambda result: f"{result.fps:.1f}",
        "torn": lambda result: f"{result.torn:,}",
        "reused early": lambda result: f"{result.early_reuse:,}",
        "as it should be": lambda result: "yes" if holds(result) else "no",
    }
    return make_table(f"a guest that draws for {_RENDER_MS} ms, at 60 Hz", columns, results)
