"""A suite of 200 screenshot tests with simulated guests: what a test costs, and what a second process gains.

The suite is made in a temporary folder: each test has a machine of 640x480, a guest with a seed of its own,
three frames and a check of the golden picture. A first run writes those; then every run has to pass.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import entry_points, version
from importlib.util import find_spec
from pathlib import Path

import compositor
from compositor.bench.report import Report, compare
from compositor.errors import BadInput, RunFailed

FILES, TESTS_IN_A_FILE = 10, 20
_WORKLOADS = ("gears", "plasma")
_ALLOWED_MS = 15.0  # a test, by its median
_GAIN = 1.7  # by two processes
_RUNS = 3
_PATIENCE_S = 120  # for one run of the suite, which takes some 6

_TEST = """
import asyncio
import pytest

@pytest.mark.parametrize("workload", {workloads})
@pytest.mark.parametrize("seed", range({first}, {last}))
def test_it(machine, guest, screenshot, workload, seed):
    async def show():
        async with machine(outputs=["640x480@60"], seed=seed) as m:
            await m.attach(guest(workload))
            await m.run(frames=3)
            screenshot.check(m)
    with asyncio.Runner() as runner:
        runner.run(show())
"""
_CONFTEST = """
import collections, json

spent = collections.Counter()

def pytest_runtest_logreport(report):
    spent[report.nodeid] += report.duration

def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput"):
        with open("spent.json", "w") as file:
            json.dump(list(spent.values()), file)
"""


def run() -> Report:
    """The median test, and one process against two: both of the same runs.

    Raises:
        BadInput: pytest is not installed.
        RunFailed: A test of the suite failed, or a run did not end.
    """
    if find_spec("pytest") is None:
        raise BadInput("bench suite: it needs pytest (pip install pytest)")
    report = Report("suite", versions={"pytest": version("pytest")})
    xdist = find_spec("xdist") is not None
    alone, together, medians = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        measure(folder, "--update-screenshots")
        for _ in range(_RUNS):
            alone.append(measure(folder))
            medians.append(_median_ms(folder))
            if xdist:
                together.append(measure(folder, "-n", "2"))
    allowed = {"allowed": [_ALLOWED_MS] * _RUNS}
    case = f"median-test-of-{FILES * TESTS_IN_A_FILE}"
    report.rows.append(compare(case, "ms", medians, allowed, goal=1.0))
    if xdist:
        report.versions["pytest-xdist"] = version("pytest-xdist")
        peers = {"1 process": alone}
        report.rows.append(compare("whole-suite-on-2-processes", "s", together, peers, goal=_GAIN))
    else:
        report.missing["pytest-xdist"] = "pip install pytest-xdist"
    return report


def make(folder: Path) -> None:
    """Write the suite's files."""
    seeds = TESTS_IN_A_FILE // len(_WORKLOADS)
    folder.joinpath("conftest.py").write_text(_CONFTEST)
    for number in range(FILES):
        text = _TEST.format(workloads=_WORKLOADS, first=number * seeds, last=(number + 1) * seeds)
        folder.joinpath(f"test_{number:02}.py").write_text(text)


def measure(folder: Path, *options: str) -> float:
    """Seconds that the whole suite takes, from the start of its process to its end.

    Raises:
        RunFailed: A test failed, or the suite did not end.
    """
    root = str(Path(compositor.__file__).parents[1])
    begun = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin_options(), *options],
            env={**os.environ, "PYTHONPATH": root},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        raise RunFailed(f"bench suite: the suite did not end within {_PATIENCE_S} s") from None
    if done.returncode:
        raise RunFailed(f"bench suite: the suite failed: {done.stdout[-2000:]}")
    return time.perf_counter() - begun


def plugin_options() -> list[str]:
    """What loads the plugin: nothing, where the project is installed with its entry point."""
    installed = entry_points(group="pytest11", name="scanout")
    return [] if installed else ["-p", "compositor.pytest_plugin"]


def _median_ms(folder: Path) -> float:
    """Of the tests of the last run."""
    spent: list[float] = json.loads(folder.joinpath("spent.json").read_text())
    return 1000 * statistics.median(spent)
