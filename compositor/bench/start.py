"""From a new process to what it is for: imports, the first blended frame, the first frame of a test.

The peer is the time that is allowed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import compositor
from compositor.bench.report import Report, Row, interleave
from compositor.bench.suite import plugin_options
from compositor.errors import BadInput
from compositor.render import blend

_FIRST_FRAME = """
import time
start = time.perf_counter()
import numpy
import compositor.output.output
from compositor.pixels.geometry import Rect
from compositor.pixels.format import PixelFormat
from compositor.render import blend
from compositor.render.cpu import Layer, compose
blend.load()
target, below, above = numpy.full((3, 1080, 1920, 4), 128, numpy.uint8)
layers = [Layer(below, PixelFormat.XRGB8888), Layer(above, PixelFormat.ARGB8888)]
compose(target, layers, [Rect(0, 0, 1920, 1080)])
print(time.perf_counter() - start)
"""
_IMPORT = """
import typing, time{before}
start = time.perf_counter()
import {module}
print(1000 * (time.perf_counter() - start))
"""
_TEST_SESSION = {
    "conftest.py": "import time\nSTART = time.perf_counter()\n",
    "test_first.py": """
import asyncio, pathlib, time
from conftest import START

def test_first(machine, guest):
    async def frame():
        async with machine(outputs=["640x480@60"]) as m:
            await m.attach(guest("plasma"))
            await m.next_frame()
    asyncio.run(frame())
    pathlib.Path("seconds").write_text(str(time.perf_counter() - START))
""",
}
_ALLOWED_MS = {"import-compositor": 60.0, "import-plugin-unused": 5.0}
_ALLOWED_S = {"first-frame-cached": 0.5, "first-frame-compiled": 3.0, "first-frame-of-a-test": 0.6}
_RUNS = 3


def run() -> Report:
    """With the kernels' machine code in the cache, but for the one that compiles it.

    Raises:
        BadInput: numba is not installed, so there are no kernels.
    """
    if blend.load() is None:
        raise BadInput("bench start: the compiled kernels need numba (pip install numba)")
    report = Report("start", versions={"numpy": np.__version__, "python": sys.version.split()[0]})
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder, "cache")
        report.rows.append(_row("import-compositor", partial(_imported, cache, "compositor")))
        report.rows.append(_row("first-frame-cached", partial(_first_frame, cache)))
        if find_spec("pytest") is None:
            report.missing["pytest"] = "pip install pytest"
        else:
            plugin = partial(_imported, cache, "compositor.pytest_plugin")
            report.rows.append(_row("import-plugin-unused", plugin))
            session = _session(Path(folder, "tests"))
            report.rows.append(_row("first-frame-of-a-test", partial(_first_test, cache, session)))
        report.rows.append(_row("first-frame-compiled", partial(_first_frame, cache, fresh=True)))
    return report


def _row(case: str, measure: partial[float]) -> Row:
    measure()  # what caches there are, are full then
    unit, allowed = ("ms", _ALLOWED_MS[case]) if case in _ALLOWED_MS else ("s", _ALLOWED_S[case])
    return interleave(case, unit, measure, {"allowed": partial(float, allowed)}, runs=_RUNS, goal=1.0)


def _imported(cache: Path, module: str) -> float:
    """Milliseconds that an import takes; of a plugin, in a process that has pytest already."""
    before = ", pytest" if "plugin" in module else ""
    return float(_python(cache, "-c", _IMPORT.format(module=module, before=before)))


def _first_frame(cache: Path, *, fresh: bool = False) -> float:
    if fresh:
        shutil.rmtree(cache / "kernels")
    return float(_python(cache, "-c", _FIRST_FRAME))


def _session(folder: Path) -> Path:
    folder.mkdir()
    for name, text in _TEST_SESSION.items():
        folder.joinpath(name).write_text(text)
    return folder


def _first_test(cache: Path, folder: Path) -> float:
    """Seconds from the start of a session, with pytest imported, to the first frame of its first test."""
    _python(cache, "-m", "pytest", "-q", *plugin_options(), cwd=folder)
    return float(folder.joinpath("seconds").read_text())


def _python(cache: Path, *arguments: str, cwd: Path | None = None) -> str:
    """What a new process of this Python, with these packages and caches of their own, prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(Path(compositor.__file__).parents[1])
    environment["PYTHONPYCACHEPREFIX"] = str(cache / "bytecode")
    environment["NUMBA_CACHE_DIR"] = str(cache / "kernels")
    return subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=cwd, capture_output=True, text=True, check=True
    ).stdout
