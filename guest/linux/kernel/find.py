"""Which UML kernel to run, and whether a file is one."""

from __future__ import annotations

import mmap
import os
import re
import subprocess
from pathlib import Path

from guest.linux.cache import cache_dir, content_key
from guest.linux.errors import KernelUnusable
from virtio.regular import open_regular

ENVIRONMENT = "SCANOUT_UML_KERNEL"
PATCH = Path(__file__).with_name("determinism.patch")
CONFIG = Path(__file__).with_name("uml.config")
_ELF = b"\x7fELF"
_PATIENCE_S = 10.0


def recipe() -> str:
    """The name of what we add to a kernel's source: our patch and our configuration."""
    return content_key(PATCH.read_bytes(), CONFIG.read_bytes())


def kernels_dir() -> Path:
    """Where built kernels lie, each as `linux-VERSION-RECIPE`."""
    return cache_dir("kernels")


def find_kernel(explicit: Path | None = None) -> Path:
    """The UML kernel to run: the one asked for, else `$SCANOUT_UML_KERNEL`, else the last one built.

    Raises:
        KernelUnusable: There is none, or the file is not a UML kernel.
    """
    if explicit is not None:
        return check_kernel(explicit)
    if named := os.environ.get(ENVIRONMENT):
        try:
            return check_kernel(Path(named))
        except KernelUnusable as error:
            raise KernelUnusable(f"{ENVIRONMENT}: {error}") from None
    built = sorted(kernels_dir().glob(f"linux-*-{recipe()}"), key=lambda path: path.stat().st_mtime)
    if not built:
        raise KernelUnusable(f"no UML kernel; build one with: scanout kernel build (or set {ENVIRONMENT})")
    return built[-1]


def check_kernel(path: Path) -> Path:
    """Make sure that a file is a UML kernel that starts here; return its absolute path.

    Raises:
        KernelUnusable: It is not.
    """
    path = path.absolute()
    try:
        with open_regular(path) as file:
            magic = file.read(4)
    except OSError as error:
        raise KernelUnusable(f"{path}: {error.strerror}") from None
    advice = "give one built with ARCH=um, or build it with: scanout kernel build"
    if magic != _ELF:
        raise KernelUnusable(f"{path}: not a UML kernel (not an ELF program); {advice}")
    if not os.access(path, os.X_OK):
        raise KernelUnusable(f"{path}: not executable; chmod +x it")
    # A UML kernel answers --version with its release alone ("6.18.1"), and starts nothing.
    if not re.fullmatch(r"\d+\.\d+\.\S+", _version_of(path)):
        raise KernelUnusable(f"{path}: not a UML kernel; {advice}")
    return path


def check_repeatable(path: Path) -> None:
    """Make sure that a UML kernel has our patch, without which its runs on virtual time differ.

    Raises:
        KernelUnusable: It has not.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as program:
        if any(program.find(option) < 0 for option in (b"tt_syscall_ns=", b"um_seed=")):
            raise KernelUnusable(
                f"{path}: does not know tt_syscall_ns= and um_seed=, which virtual time needs; "
                "build a kernel that does with: scanout kernel build"
            )


def _version_of(path: Path) -> str:
    try:
        done = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            check=False,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        return ""
    except OSError as error:
        raise KernelUnusable(f"{path}: cannot run it: {error.strerror}") from None
    return done.stdout.strip() if done.returncode == 0 else ""
