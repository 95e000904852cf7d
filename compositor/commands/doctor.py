"""`scanout doctor`: what this machine has, what is missing, and the command that installs it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from compositor.bench.real_guest import find_backend
from compositor.commands.sandbox.policy import what_the_kernel_gives
from compositor.errors import ScreenError
from compositor.output.mode import Mode
from compositor.render import blend
from compositor.render.gl import GlRenderer, HeadlessContext
from compositor.render.gl.library import driver_name
from compositor.screen.window.choice import choose
from guest.linux import find_kernel, find_rootfs
from guest.linux.qemu import find_qemu
from virtio.errors import ScanoutError
from virtio.lazy import PACKAGES, shadowed

_DESKTOP = Mode(1920, 1080)


class Finding(NamedTuple):
    """One thing that was looked for.

    Attributes:
        what: Its name.
        needed_for: What does not work without it.
        found: Where or which version; None: missing.
        remedy: The command that installs it, or why it is not usable.
    """

    what: str
    needed_for: str
    found: str | None
    remedy: str


def doctor(*, as_json: bool) -> None:
    """Print a row for everything that was looked for, or a JSON list of `Finding`."""
    if as_json:
        print(json.dumps([finding._asdict() for finding in examine()], indent=1))
        return
    shown = Table("", "what", "for", "found, or what to do", title=f"scanout on {platform.platform()}")
    for finding in examine():
        mark = "[green]ok[/]" if finding.found else "[red]missing[/]"
        # What is in brackets, such as an extra of the package, is text here.
        shown.add_row(mark, finding.what, finding.needed_for, Text(finding.found or finding.remedy))
    Console().print(shown)


def examine() -> Iterator[Finding]:
    """Look for everything that some command needs."""
    yield names()
    for package, needed_for, extra in (
        ("numpy", "everything", ""),
        ("numba", "fast blending (else exact numpy, slower)", ""),
        ("pillow", "screenshots", ""),
        ("pyglet", "windows", "[window]"),
        ("scikit-image", "compare --tolerance perceptual", "[perceptual]"),
    ):
        yield Finding(package, needed_for, _version(package), f'pip install -e ".{extra}"')
    yield kernels()
    display = os.environ.get("DISPLAY")
    yield Finding("display", "windows", display, "set DISPLAY, or run under: xvfb-run")
    yield from _opengl()
    yield _program("cc", "the guests' own programs", "gcc libc6-dev libdrm-dev")
    yield _tried("UML kernel", "boot uml", lambda: str(find_kernel()))
    yield _tried("desktop root", "boot uml -- weston-desktop", lambda: str(find_rootfs()))
    yield _tried("QEMU 10", "boot qemu", lambda: find_qemu("x86_64"))
    yield _tried("QEMU's back end", "bench real-guest", lambda: str(find_backend()))
    yield Finding("sandbox", "serve", what_the_kernel_gives(), "Linux 5.13 with lsm=landlock, and seccomp")
    kvm = Path("/dev/kvm")
    usable = "/dev/kvm" if os.access(kvm, os.R_OK | os.W_OK) else None
    yield Finding("KVM", "faster QEMU guests (optional)", usable, "not there: guests run by emulation (TCG)")


def _opengl() -> Iterator[Finding]:
    """What OpenGL can do without a window, which on X is what it can do at all."""
    try:
        with HeadlessContext() as context:
            renderer = GlRenderer(context.gl, time.perf_counter)
            way, why = renderer.textures.opaque
            renderer.close()
            yield Finding("OpenGL", "windows", f"{driver_name(context.gl)}; uploads {way}: {why}", "")
            composition, measured = choose("auto", context.gl, way, _DESKTOP)
            faster = "the CPU" if composition is None else "OpenGL"
            yield Finding("composition", "--renderer auto", f"{faster}: {measured}", "")
    except ScreenError as error:
        yield Finding("OpenGL", "windows", None, str(error))


def names() -> Finding:
    """Whether the three packages, whose names are plain words, are this project's."""
    owners = packages_distributions()
    others = [
        f"{package!r} comes from {' and '.join(found)}, too: uninstall it"
        for package in PACKAGES
        if (found := sorted(set(owners.get(package, ())) - {"scanout"}))
    ]
    wrong = "; ".join([*shadowed(), *others])
    return Finding("package names", "everything", None if wrong else ", ".join(PACKAGES), wrong)


def kernels() -> Finding:
    """Who blends, and whether what was compiled is kept for the next process."""
    compiled = blend.load()
    cache = None if compiled is None else compiled.compose.stats.cache_path
    if compiled is None:
        remedy = "numpy blends, exact and 5 to 20 times slower: pip install numba"
    else:
        remedy = "numba finds no directory for its cache, and every process compiles: set NUMBA_CACHE_DIR"
    return Finding("compiled kernels", "a fast first frame", cache, remedy)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _program(name: str, needed_for: str, packages: str) -> Finding:
    return Finding(name, needed_for, shutil.which(name), f"sudo apt-get install {packages}")


def _tried(what: str, needed_for: str, find: Callable[[], str]) -> Finding:
    try:
        return Finding(what, needed_for, find(), "")
    except ScanoutError as error:
        return Finding(what, needed_for, None, str(error))
