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
from functools import partial
from importlib.metadata import entry_points, version
from importlib.util import find_spec
from pathlib import Path

import compositor
from compositor.bench.report import Report, interleave
from compositor.errors import BadInput, RunFailed

FILES, TESTS_IN_A_FILE = 10, 20
_WORKLOADS = ("gears", "plasma")
_ALLOWED_MS = 15.0  # a test, by its median
_GAIN = 1.7  # by two processes
_RUNS = 3

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
    """The median test, and one process against two.

    Raises:
        BadInput: pytest is not installed.
        RunFailed: A test of the suite failed.
    """
    if find_spec("pytest") is None:
        raise BadInput("bench suite: it needs pytest (pip install pytest)")
    report = Report("suite", versions={"pytest": version("pytest")})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        measure(folder, "--update-screenshots")
        report.rows.append(
            interleave(
                f"median-test-of-{FILES * TESTS_IN_A_FILE}",
                "ms",
                partial(_median_ms, folder),
                {"allowed": partial(float, _ALLOWED_MS)},
                runs=_RUNS,
                goal=1.0,
            )
        )
        if find_spec("xdist") is None:
            report.missing["pytest-xdist"] = "pip install pytest-xdist"
            return report
        report.versions["pytest-xdist"] = version("pytest-xdist")
        report.rows.append(
            interleave(
                "whole-suite-on-2-processes",
                "s",
                partial(measure, folder, "-n", "2"),
                {"1 process": partial(measure, folder)},
                runs=_RUNS,
                goal=_GAIN,
            )
        )
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
        RunFailed: A test failed.
    """
    root = str(Path(compositor.__file__).parents[1])
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin_options(), *options],
        env={**os.environ, "PYTHONPATH": root},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RunFailed(f"bench suite: the suite failed: {done.stdout[-2000:]}")
    return time.perf_counter() - begun


def plugin_options() -> list[str]:
    """What loads the plugin: nothing, where the project is installed with its entry point."""
    installed = entry_points(group="pytest11", name="scanout")
    return [] if installed else ["-p", "compositor.pytest_plugin"]


def _median_ms(folder: Path) -> float:
    measure(folder)
    spent: list[float] = json.loads(folder.joinpath("spent.json").read_text())
    return 1000 * statistics.median(spent)
