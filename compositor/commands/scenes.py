"""`scanout run` and `scanout demo`: scenes, built in or as files, and studies."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from compositor.commands.options import RunOptions, find_modules_here
from compositor.commands.session import run_session
from compositor.commands.studies.eight_processes import eight_processes
from compositor.commands.studies.fifty_ms import fifty_ms
from compositor.commands.studies.frame_clock_study import frame_clock_study
from compositor.commands.studies.hostile_neighbour import hostile_neighbour
from compositor.commands.studies.hotplug_storm import hotplug_storm
from compositor.commands.studies.sharing_study import sharing_study
from compositor.commands.studies.soak import soak
from compositor.commands.studies.study import Study
from compositor.commands.studies.sync_study import sync_study
from compositor.commands.studies.torn_study import torn_study
from compositor.errors import BadInput, RunFailed
from compositor.faults import Script
from compositor.scene_file import SCENES, SceneFile, builtin, read_scene, title, workload_scene
from guest.linux import shown_progress
from guest.workloads.find import installed_workloads, names_file, names_own

STUDIES: Mapping[str, Study] = {
    "sync-study": Study(
        "what every sync policy makes of every render time", sync_study, takes=("frames", "kernel")
    ),
    "torn-study": Study("what every sync policy promises, checked in a hundred thousand frames", torn_study),
    "fifty-ms": Study("what becomes of a guest whose fences are held", fifty_ms, takes=("frames", "kernel")),
    "frame-clock-study": Study(
        "when to begin a frame: fixed window, adaptive deadline, triple buffering", frame_clock_study
    ),
    "hotplug-storm": Study(
        "16 outputs, 8 guests, a thousand monitors that come and go", hotplug_storm, takes=()
    ),
    "sharing-study": Study("four ways to share a GPU, side by side", sharing_study, takes=("seconds",)),
    "eight-processes": Study(
        "guests in processes of their own, each killed and started again",
        eight_processes,
        takes=("seconds",),
        clock="real",
    ),
    "hostile-neighbour": Study(
        "what an attack of one guest leaves of another's frames",
        hostile_neighbour,
        takes=("seconds", "strict"),
        clock="real",
    ),
    "soak": Study(
        "guests and monitors that come and go for a day, and what is left of them",
        soak,
        takes=("seconds", "clock", "kernel", "screenshot"),
    ),
}

_DEFAULT_FRAMES = 300  # of a run that was given no limit and has no window to close


def _taking(option: str) -> str:
    """The studies that take an option, in words."""
    *others, last = (name for name, study in STUDIES.items() if option in study.takes)
    return f"{', '.join(others)} and {last}" if others else last


def demo(run: RunOptions) -> None:
    """The demo: in a window where there is a display, until it is closed; else as demo.png."""
    window = bool(os.environ.get("DISPLAY")) if run.window is None else run.window
    if not window and run.screenshot is None:
        run = replace(run, screenshot=Path("demo.png"))
    run_scene("demo", replace(run, window=window))


def run_scene(
    name: str | None,
    run: RunOptions,
    kernel: Path | None = None,
    *,
    allow_programs: bool = False,
    faults: Path | None = None,
    strict: bool = False,
) -> None:
    """Run a built-in scene, a study or a scene file; without any of them, say which there are.

    A scene runs for as long as the options say, else as it says itself. With `allow_programs`, one in a file
    may name programs of this machine. `faults` is a file with a script of what goes wrong meanwhile.
    `strict`: a study that promises speed fails when this machine is slower.

    Raises:
        BadInput: There is no such scene, it says something that cannot be, the options do not go with it, or
            it has no use for a kernel, for faults, or for `strict`.
        RunFailed: A promise is broken; the message says which.
        ScanoutError: A guest cannot be started; the message says why.
    """
    if name is None:
        Console().print(catalogue())
        return
    if name in STUDIES:
        if faults is not None:
            raise BadInput(f"--faults {faults}: a study has no use for them; scenes have")
        _run_study(name, run, kernel, strict=strict)
        return
    if strict:
        raise BadInput(f"--strict: {_taking('strict')} alone promises speed")
    if kernel is not None:
        raise BadInput(f"--kernel {kernel}: only {_taking('kernel')} boot one; see scanout boot")
    modes = None if run.outputs == RunOptions().outputs else run.modes
    scene = find_scene(name, modes, allow_programs=allow_programs)
    if faults is not None:
        scene.add_faults(Script.load(faults), str(faults))
    with shown_progress() as progress:
        scene.prepare(progress)
    run_session(
        _limited(run, scene),
        scene.start,
        clock="real" if run.window else scene.clock,
        repaint=scene.repaint,
        outputs=scene.outputs,
        timing=scene.timing,
        repaint_delay_ns=scene.repaint_delay_ns,
        limits=scene.limits,
        at_end=scene.promises.look,
    )
    scene.promises.check()


def _run_study(name: str, run: RunOptions, kernel: Path | None, *, strict: bool) -> None:
    study = STUDIES[name]
    study.check(name, run, kernel, strict=strict)
    broken = study.run(run, kernel)
    if strict and broken:
        raise RunFailed(f"{name}: {'; '.join(broken)}")


def find_scene(name: str, modes: Sequence[str] | None, *, allow_programs: bool = False) -> SceneFile:
    """The scene that is built in under that name, in that file, or of a workload of the user's own.

    Its outputs have `modes`, if given.

    Raises:
        BadInput: There is none, or it says something that cannot be.
    """
    if name in SCENES:
        return builtin(name, modes)
    if allow_programs or names_own(name):
        find_modules_here()
    is_file = Path(name).exists() and not names_file(name)
    if is_file or name.endswith(".toml"):
        return read_scene(Path(name), modes, allow_programs=allow_programs)
    if names_own(name) or name in installed_workloads():
        return workload_scene(name, modes)
    known = ", ".join((*SCENES, *STUDIES, *installed_workloads()))
    raise BadInput(
        f"there is no scene {name!r}; there are: {known}; a file's name ends in .toml, and a workload of "
        "your own is module:Class"
    )


def _limited(run: RunOptions, scene: SceneFile) -> RunOptions:
    """The options, with the scene's seed and limits where they say none."""
    run = replace(run, seed=run.seed or scene.seed)
    if run.seconds is not None or run.frames is not None:
        return run
    endless = run.window or scene.seconds is not None or scene.frames is not None
    frames = scene.frames if endless else _DEFAULT_FRAMES
    return replace(run, seconds=scene.seconds, frames=frames)


def catalogue() -> Table:
    """The scenes that ship, one line each."""
    shown = Table(title="scanout run SCENE, or FILE.toml", title_justify="left", show_header=False)
    for name in SCENES:
        shown.add_row(name, title(name))
    for name, study in STUDIES.items():
        shown.add_row(name, f"study: {study.title}")
    for name, found in installed_workloads().items():
        shown.add_row(name, f"workload {found.value} of an installed package")
    return shown
