"""Plays all inputs of some folders once more, and looks closer: branches, work, and what is left behind.

    python -m tests.fuzz.replay TARGET FOLDER ...       prints a line of JSON

All are played twice: what the second time leaves more of, mappings or descriptors, is a leak.
"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import coverage

from tests.fuzz.target import COVERS, LeftBehind, Target, load

# Python's own arenas come and go; a mapping for each input, or each tenth, does not hide in this.
_SLACK = 16

ROOT = Path(__file__).parents[2]


def replay(target: Target, inputs: Sequence[bytes]) -> int:
    """Play them all, twice; the most work that one was.

    Raises:
        TooMuchWork: One costs more than its length allows.
        LeftBehind: Descriptors or mappings.
    """
    for data in inputs:  # the first of a kind imports modules
        target.check(data)
    before = mappings()
    work = max((target.measure(data) for data in inputs), default=0)
    left = mappings() - before
    if left > _SLACK:
        raise LeftBehind(f"{left} mappings more than before, after {len(inputs)} inputs")
    return work


def mappings() -> int:
    """Mappings of this process."""
    gc.collect()
    return Path("/proc/self/maps").read_text().count("\n")


def files(name: str) -> list[str]:
    """The source of what a target is to reach; `source_pkgs` of coverage would import some of it twice."""
    places = [ROOT.joinpath(*module.split(".")) for module in COVERS.get(name, ())]
    return [f"{place}/*" if place.is_dir() else f"{place}.py" for place in places] or ["none"]


def branches(measured: coverage.Coverage) -> tuple[int, int]:
    """Branches that were taken, and all of them."""
    with tempfile.NamedTemporaryFile() as file:
        measured.json_report(outfile=file.name)
        totals: dict[str, Any] = json.load(file)["totals"]
    return totals["covered_branches"], totals["num_branches"]


def main() -> None:
    """Print inputs, work and branches, or end with the finding."""
    name, *folders = sys.argv[1:]
    inputs = [path.read_bytes() for folder in folders for path in sorted(Path(folder).glob("*"))]
    measured = coverage.Coverage(branch=True, include=files(name), data_file=None, config_file=False)
    with measured.collect():
        work = replay(load(name), inputs)
    taken, of = branches(measured) if name in COVERS else (0, 0)
    print(json.dumps({"inputs": len(inputs), "work": work, "taken": taken, "branches": of}))


if __name__ == "__main__":
    main()
