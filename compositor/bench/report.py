"""One benchmark's outcome: rows of ours against named peers, measured in the same run.

Machines are noisy, so single times mean little. Every figure is the median of interleaved runs, and what is
compared is the ratio pair by pair (Kalibera & Jones, "Rigorous benchmarking in reasonable time", 2013).
"""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Measure = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Row:
    """One case.

    Attributes:
        case: Its name.
        unit: Unit of `ours` and `peers`; "/s" units are better when higher, all others when lower.
        ours: Median of our runs.
        peers: Median of each peer's runs.
        against: The peer that `ratio` compares with; None where none is installed.
        ratio: Median over the pairs, above 1 where ours is better; None without a peer.
        goal: The ratio that was asked for, None where nothing was.
        runs: Runs of each.
    """

    case: str
    unit: str
    ours: float
    peers: Mapping[str, float]
    against: str | None
    ratio: float | None
    goal: float | None
    runs: int

    @property
    def reached(self) -> bool | None:
        """Whether the goal was met; None where there is none or nothing to compare with."""
        return None if self.goal is None or self.ratio is None else self.ratio >= self.goal


@dataclass(slots=True)
class Report:
    """A benchmark's rows, with the machine and the versions they were measured on."""

    bench: str
    rows: list[Row] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The document that `scanout bench --json` prints."""
        rows = [{name: getattr(row, name) for name in Row.__slots__} for row in self.rows]
        return {
            "bench": self.bench,
            "machine": machine(),
            "versions": self.versions,
            "missing": self.missing,
            "rows": rows,
        }


def interleave(
    case: str,
    unit: str,
    ours: Measure,
    peers: Mapping[str, Measure],
    *,
    runs: int,
    against: str | None = None,
    fastest: bool = False,
    goal: float | None = None,
) -> Row:
    """Measure ours and the peers in turn, `runs` times, and compare pair by pair.

    Args:
        case: The row's name.
        unit: Of the measurements; see `Row`.
        ours: Returns one measurement.
        peers: As `ours`, by name.
        runs: Measurements of each.
        against: The peer to compare with; the first by default.
        fastest: Compare with the peer whose median is best, instead.
        goal: The ratio that was asked for.
    """
    mine: list[float] = []
    theirs: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(runs):
        mine.append(ours())
        for name, measure in peers.items():
            theirs[name].append(measure())
    return compare(case, unit, mine, theirs, against=against, fastest=fastest, goal=goal)


def compare(
    case: str,
    unit: str,
    mine: Sequence[float],
    theirs: Mapping[str, Sequence[float]],
    *,
    against: str | None = None,
    fastest: bool = False,
    goal: float | None = None,
) -> Row:
    """The row of measurements that were made in turn; arguments as for `interleave`."""
    medians = {name: statistics.median(values) for name, values in theirs.items()}
    higher_is_better = unit.endswith("/s")
    if fastest and medians:
        against = (max if higher_is_better else min)(medians, key=medians.__getitem__)
    against = against or next(iter(theirs), None)
    ratio = None
    if against is not None:
        pairs = zip(mine, theirs[against], strict=True)
        ratio = statistics.median(a / b if higher_is_better else b / a for a, b in pairs)
    return Row(case, unit, statistics.median(mine), medians, against, ratio, goal, len(mine))


def machine() -> dict[str, Any]:
    """The processor's name and the number of cores that this process may use."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return {"cpu": name, "cores": len(os.sched_getaffinity(0))}
