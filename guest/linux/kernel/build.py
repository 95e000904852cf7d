"""Building the UML kernel: source, our patch, our configuration, make ARCH=um; then kept in the cache."""

from __future__ import annotations

import os
import re
from pathlib import Path

from guest.linux.cache import cached, remake
from guest.linux.debian import Package, Suite, unpack
from guest.linux.errors import KernelUnusable, ToolFailed
from guest.linux.kernel.find import CONFIG, PATCH, check_kernel, kernels_dir, recipe
from guest.linux.tool import Progress, no_progress, require, run_tool

SUITE = "sid"  # where Debian's newest kernel source is; Linux 6.12 and older fail on CPUs with AMX
_TOOLS = ("gcc", "make", "flex", "bison", "bc", "patch", "tar", "xz", "strip", "ld")
_STEPS = 930  # objects that make says it compiles, Linux 7.2; for the progress bar alone


def build_kernel(source: Path | None = None, progress: Progress = no_progress) -> Path:
    """Build a UML kernel, or return the one that was built before from the same things.

    Takes minutes, about 2 GB of disk under the cache directory while it runs, and 8 MB afterwards.

    Args:
        source: A kernel source tree; copied, never written to. None: Debian's newest `linux-source`
            package, fetched and verified by apt.
        progress: Told about each stage.

    Raises:
        ToolMissing: A program that the build needs is not installed.
        ToolFailed: A step failed.
        KernelUnusable: `source` is not a kernel's source, or what was built does not run.
    """
    require(*_TOOLS)
    if source is not None:
        target = kernels_dir() / f"linux-{_version_of(source)}-local-{recipe()}"
        return remake(target, lambda scratch: _build(_copied(source, scratch, progress), progress))
    suite = Suite(SUITE, "amd64", progress)  # the source package is the same for every architecture
    package = _newest_source(suite)
    target = kernels_dir() / f"linux-{package.version}-{recipe()}"
    return cached(target, lambda scratch: _build(_fetched(suite, package, scratch, progress), progress))


def _newest_source(suite: Suite) -> Package:
    names = suite.matching(r"^linux-source-[0-9]+\.[0-9]+$")
    if not names:
        raise ToolFailed(f"Debian {suite.name} has no linux-source package; give a source tree: --source DIR")
    return suite.newest(max(names, key=lambda name: tuple(map(int, re.findall(r"\d+", name)))))


def _fetched(suite: Suite, package: Package, scratch: Path, progress: Progress) -> Path:
    """Debian's source tree: its package holds one archive of it."""
    deb = suite.fetch(package.name, scratch)
    progress("unpacking the source")
    unpack(deb, scratch)
    (archive,) = scratch.glob("usr/src/linux-source-*.tar.xz")
    tree = scratch / "tree"
    tree.mkdir()
    run_tool(["tar", "-xf", archive, "-C", tree, "--strip-components=1"], what="unpacking the source")
    return tree


def _copied(source: Path, scratch: Path, progress: Progress) -> Path:
    """A copy of a tree, without its history and what an earlier build left in it."""
    progress("copying the source")
    tree = scratch / "tree"
    tree.mkdir()
    script = 'tar -C "$0" --exclude-vcs --exclude="*.o" --exclude="*.cmd" -cf - . | tar -C "$1" -xf -'
    run_tool(["sh", "-c", script, source, tree], what=f"copying {source}")
    run_tool(["make", "-C", str(tree), "ARCH=um", "mrproper"], what="cleaning the copy of the source")
    return tree


def _build(tree: Path, progress: Progress) -> Path:
    progress("configuring the kernel")
    _apply_patch(tree)
    make = ["make", "-C", str(tree), "ARCH=um"]
    run_tool([*make, "tinyconfig"], what="make tinyconfig")
    merge = ["sh", "scripts/kconfig/merge_config.sh", "-m", ".config", str(CONFIG)]
    run_tool(merge, directory=tree, what="merging our configuration")
    run_tool([*make, "olddefconfig"], what="make olddefconfig")
    steps = 0

    def on_line(line: str) -> None:
        nonlocal steps
        if line.startswith("  CC "):
            steps += 1
            progress("building the kernel", min(steps / _STEPS, 0.99))

    run_tool(
        [*make, f"-j{len(os.sched_getaffinity(0))}", "linux"], what="building the kernel", on_line=on_line
    )
    run_tool(["strip", str(tree / "linux")], what="stripping the kernel")
    return check_kernel(tree / "linux")


def _apply_patch(tree: Path) -> None:
    """Apply our patch, unless the tree has it."""
    # --force: never ask, and never guess that the other direction was meant.
    patch = ["patch", "-p1", "--force", "--directory", str(tree), "--input", str(PATCH)]
    try:
        run_tool([*patch, "--reverse", "--dry-run"], what="looking for our patch")
    except ToolFailed:
        run_tool(patch, what=f"applying {PATCH.name}, made for Linux 7.2,")


def _version_of(source: Path) -> str:
    """A tree's version by its top Makefile.

    Raises:
        KernelUnusable: It is not a kernel's tree.
    """
    try:
        makefile = (source / "Makefile").read_text(errors="replace")
    except OSError as error:
        raise KernelUnusable(f"{source}: not a Linux source tree (Makefile: {error.strerror})") from None
    parts = [
        re.search(rf"^{name} = *(\d+)$", makefile, re.M) for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL")
    ]
    if not all(parts) or not (source / "arch" / "um").is_dir():
        raise KernelUnusable(f"{source}: not a Linux source tree with arch/um")
    return ".".join(part[1] for part in parts if part)
