"""Benchmarks: each figure beside a named peer, interleaved in one run, as a ratio. They assert nothing."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from compositor.bench.report import Report

BENCHMARKS = {
    "compare": "compositor.bench.compare",
    "mapping": "compositor.bench.mapping",
    "gl": "compositor.bench.gl",
    "fences": "compositor.bench.fences",
    "frames": "compositor.bench.frames",
    "idle": "compositor.bench.idle",
    "record": "compositor.bench.record",
    "guests": "compositor.bench.guests",
    "render": "compositor.bench.render",
    "real-guest": "compositor.bench.real_guest",
    "virtual": "compositor.bench.virtual",
}
"""Name to module; each module has a function `run() -> Report`."""


def load(name: str) -> Callable[[], Report]:
    """The function that runs a benchmark."""
    return cast("Callable[[], Report]", import_module(BENCHMARKS[name]).run)
