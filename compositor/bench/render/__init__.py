"""The renderer against pixman, cairo, Skia and OpenCV, one thread each where the case does not say otherwise.

A group of cases is a module with a function `rows(peers)`; add one by its name to `GROUPS`.
"""

from __future__ import annotations

from importlib import import_module

import numpy as np

from compositor.bench.render.peers import Peers
from compositor.bench.report import Report
from compositor.errors import BadInput
from compositor.render import blend

GROUPS = ("over", "desktop", "sampling", "damage", "memory")


def run() -> Report:
    """Measure all groups.

    Raises:
        BadInput: numba is not installed, so there is nothing to compare.
    """
    if blend.load() is None:
        raise BadInput("bench render: the compiled kernels need numba (pip install numba)")
    peers = Peers()
    report = Report("render", versions={"numpy": np.__version__, **peers.versions}, missing=peers.missing)
    for group in GROUPS:
        report.rows += import_module(f"compositor.bench.render.{group}").rows(peers)
    return report
