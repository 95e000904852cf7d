"""`scanout run` and `scanout demo`: scenes, built in or as files, and studies."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from compositor.commands.options import RunOptions
from compositor.commands.session import run_session
from compositor.commands.studies.eight_processes import eight_processes
from compositor.commands.studies.fifty_ms import fifty_ms
from compositor.commands.studies.frame_clock_study import frame_clock_study
from compositor.commands.studies.hotplug_storm import hotplug_storm
from compositor.commands.studies.sharing_study import sharing_study
from compositor.commands.studies.sync_study import sync_study
from compositor.commands.studies.torn_study import torn_study
from compositor.errors import BadInput
from compositor.scene_file import SCENES, SceneFile, builtin, read_scene
from guest.linux import shown_progress


class Study(NamedTuple):
    """A scene that prints figures instead of showing pictures.

    Attributes:
        title: One line.
        run: Does it, given the options and a UML kernel to boot.
    """

    title: str
    run: Callable[[RunOptions, Path | None], None]


STUDIES: Mapping[str, Study] = {
    "sync-study": Study("what every sync policy makes of every render time", sync_study),
    "torn-study": Study("what every sync policy promises, checked in a hundred thousand frames", torn_study),
    "fifty-ms": Study("what becomes of a guest whose fences are held", fifty_ms),
    "frame-clock-study": Study(
        "when to begin a frame: fixed window, adaptive deadline, triple buffering", frame_clock_study
    ),
    "hotplug-storm": Study("16 outputs, 8 guests, a thousand monitors that come and go", hotplug_storm),
    "sharing-study": Study("four ways to share a GPU, side by side", sharing_study),
    "eight-processes": Study(
        "guests in processes of their own, each killed and started again", eight_processes
    ),
}

_DEFAULT_FRAMES = 300  # of a run that was given no limit and has no window to close


def demo(run: RunOptions) -> None:
    """The demo: in a window where there is a display, until it is closed; else as demo.png."""
    window = bool(os.environ.get("DISPLAY")) if run.window is None else run.window
    if not window and run.screenshot is None:
        run = replace(run, screenshot=Path("demo.png"))
    play(builtin("demo"), replace(run, window=window))


def run_scene(scene: str | None, run: RunOptions, kernel: Path | None = None) -> None:
    """A built-in scene by name, a study, or a scene file; without any of them, say which there are.

    Raises:
        BadInput: There is no such scene, it says something that cannot be, or it has no use for a kernel.
    """
    if scene is None:
        Console().print(catalogue())
        return
    if kernel is not None and scene not in STUDIES:
        raise BadInput(f"--kernel {kernel}: only a study boots one ({', '.join(STUDIES)}); see scanout boot")
    if scene in STUDIES:
        if run.given_outputs():
            raise BadInput(f"{run.given_outputs()[0]}: the study {scene} has outputs of its own")
        STUDIES[scene].run(run, kernel)
    elif scene in SCENES:
        play(builtin(scene), run)
    elif scene.endswith(".toml") or Path(scene).exists():
        play(read_scene(Path(scene)), run)
    else:
        known = ", ".join((*SCENES, *STUDIES))
        raise BadInput(f"there is no scene {scene!r}; there are: {known}; a file's name ends in .toml")


def play(scene: SceneFile, run: RunOptions) -> None:
    """Run a scene for as long as the options say, else as it says itself.

    Raises:
        BadInput: The options do not go with it.
        ScanoutError: A guest cannot be started; the message says why.
    """
    if run.outputs != RunOptions().outputs:
        scene = scene.with_modes(run.modes)
    if run.seconds is None and run.frames is None:
        run = replace(run, seconds=scene.seconds, frames=scene.frames)
        if not run.window and run.seconds is None and run.frames is None:
            run = replace(run, frames=_DEFAULT_FRAMES)
    with shown_progress() as progress:
        scene.prepare(progress)
    run_session(
        replace(run, seed=run.seed or scene.seed),
        scene.cast,
        clock="real" if run.window else scene.clock,
        repaint=scene.repaint,
        outputs=scene.outputs(),
        timing=scene.timing,
        repaint_delay_ns=scene.repaint_delay_ns,
    )


def catalogue() -> Table:
    """The scenes that ship, one line each."""
    shown = Table(title="scanout run SCENE, or FILE.toml", title_justify="left", show_header=False)
    for name in SCENES:
        shown.add_row(name, builtin(name).title)
    for name, study in STUDIES.items():
        shown.add_row(name, f"study: {study.title}")
    return shown
