"""Built-in scenes of simulated guests."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from compositor.commands.eight_processes import eight_processes
from compositor.commands.fifty_ms import fifty_ms
from compositor.commands.frame_clock_study import frame_clock_study
from compositor.commands.hotplug_storm import hotplug_storm
from compositor.commands.options import RunOptions
from compositor.commands.session import run_session
from compositor.commands.sharing_study import sharing_study
from compositor.commands.sync_study import sync_study
from compositor.commands.torn_study import torn_study
from compositor.errors import BadInput
from compositor.machine import Machine
from compositor.scanout import Placement
from guest.simulated import SimulatedGuest
from guest.workloads import WORKLOADS

Study = Callable[[RunOptions, Path | None], None]
STUDIES: Mapping[str, Study] = {
    "sync-study": sync_study,
    "torn-study": torn_study,
    "fifty-ms": fifty_ms,
    "frame-clock-study": frame_clock_study,
    "hotplug-storm": hotplug_storm,
    "sharing-study": sharing_study,
    "eight-processes": eight_processes,
}
"""Scenes that print figures instead of showing pictures."""

_DEMO_OUTPUT = "1280x720@60"
_OUTPUTS = {"demo": _DEMO_OUTPUT, "workloads": "1920x720@60"}  # of the scenes of several guests
_DEFAULT_FRAMES = 300  # of a run that was given no limit and has no window to close


def demo(run: RunOptions) -> None:
    """The demo: in a window where there is a display, until it is closed; else as demo.png."""
    window = bool(os.environ.get("DISPLAY")) if run.window is None else run.window
    if not window and run.screenshot is None:
        run = replace(run, screenshot=Path("demo.png"))
    if run.outputs == RunOptions().outputs:
        run = replace(run, outputs=_DEMO_OUTPUT)
    _run(replace(run, window=window), "demo")


def run_scene(scene: str, run: RunOptions, kernel: Path | None = None) -> None:
    """A built-in scene by name: "demo", "workloads", a workload's own, on the whole output, or a study.

    Raises:
        BadInput: There is no such scene, or it has no use for a kernel.
    """
    if kernel is not None and scene not in STUDIES:
        raise BadInput(f"--kernel {kernel}: only a study boots one ({', '.join(STUDIES)}); see scanout boot")
    if scene in STUDIES:
        STUDIES[scene](run, kernel)
        return
    if scene not in (*_OUTPUTS, *WORKLOADS):
        known = ", ".join((*_OUTPUTS, *WORKLOADS, *STUDIES))
        raise BadInput(f"there is no scene {scene!r}; there are: {known}")
    if scene in _OUTPUTS and run.outputs == RunOptions().outputs:
        run = replace(run, outputs=_OUTPUTS[scene])
    _run(run, scene)


def _run(run: RunOptions, scene: str) -> None:
    if not run.window and run.seconds is None and run.frames is None:
        run = replace(run, frames=_DEFAULT_FRAMES)

    async def start(machine: Machine) -> None:
        for guest, place in cast(scene, machine):
            await machine.attach(guest, [place])

    run_session(run, start, clock="real" if run.window else "virtual")


def _tiles(machine: Machine) -> Sequence[tuple[SimulatedGuest, Placement]]:
    """Every workload in a tile of its own, three in a row; what lets light through lies over plasma."""
    width, height = machine.outputs[0].mode[:2]
    width, height = width // 3, height // 2
    guests = []
    for index, name in enumerate(("terminal", "video", "drag", "desktop", "stress", "plasma")):
        place = Placement(x=index % 3 * width, y=index // 3 * height, width=width, height=height)
        guests.append((SimulatedGuest(name), place))
    guests.append((SimulatedGuest("gears"), place))
    return guests


def cast(scene: str, machine: Machine) -> Sequence[tuple[SimulatedGuest, Placement]]:
    """The guests of a scene, and where they appear on the first output."""
    if scene == "workloads":
        return _tiles(machine)
    if scene != "demo":
        return [(SimulatedGuest(scene), Placement())]
    width, height = machine.outputs[0].mode[:2]
    inset = height // 12
    upper = Placement(
        x=inset, y=inset, width=min(width // 2, 4 * height // 7), height=min(height // 2, 3 * height // 7)
    )
    lower = replace(upper, x=width - (upper.width or 0) - inset, y=height - (upper.height or 0) - inset)
    return [
        (SimulatedGuest("plasma"), Placement()),
        (SimulatedGuest("gears"), upper),
        (SimulatedGuest("gears"), lower),
    ]
