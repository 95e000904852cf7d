"""The guests' own programs (`programs/*.c`), compiled on demand by the machine's C compiler and kept."""

from __future__ import annotations

import platform
from pathlib import Path

from guest.linux.cache import cache_dir, cached, content_key
from guest.linux.errors import ToolFailed
from guest.linux.tool import missing_packages, require, run_tool

_PARTS = {
    "init": (),
    "agent": (),
    "pageflip": ("kms",),
    "pattern": ("kms", "bars"),
    "hotplug": ("kms", "bars"),
}
"""What is linked to each program."""

PROGRAMS = tuple(name for name in _PARTS if name not in ("init", "agent"))
"""The programs that `--program` can name."""

SOURCES = Path(__file__).with_name("programs")
_FLAGS = ("-static", "-s", "-O3", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror")
# The kernel's DRM headers: Debian has them in libdrm-dev, others where the kernel installs them. They
# are the same for every architecture.
_DRM_HEADERS = (Path("/usr/include/libdrm"), Path("/usr/include/drm"))
_LIBC_PACKAGES = {"x86_64": "libc6-dev-amd64-cross", "aarch64": "libc6-dev-arm64-cross"}


def compile_program(name: str, architecture: str = platform.machine()) -> Path:
    """A static program for a guest, from the cache or compiled now.

    Args:
        name: "init", or one of `PROGRAMS`.
        architecture: The guest's, in the kernel's words: "x86_64", "aarch64".

    Raises:
        ToolMissing: No compiler, no C library or no DRM headers; the message names the packages.
        ToolFailed: The compiler failed otherwise.
    """
    sources = sorted(SOURCES.iterdir())
    key = content_key(architecture, *_FLAGS, *(source.read_bytes() for source in sources))
    target = cache_dir("programs") / f"{name}-{architecture}-{key}"
    return cached(target, lambda scratch: _compile(name, architecture, scratch / name))


def _compile(name: str, architecture: str, output: Path) -> Path:
    native = architecture == platform.machine()
    compiler = "cc" if native else f"{architecture}-linux-gnu-gcc"
    require(compiler)
    headers = next((path for path in _DRM_HEADERS if (path / "drm.h").exists()), None)
    if headers is None:
        raise missing_packages("drm.h: the kernel's DRM headers are not installed", "libdrm-dev")
    sources = [SOURCES / f"{part}.c" for part in (name, *_PARTS[name])]
    try:
        run_tool([compiler, *_FLAGS, f"-I{headers}", "-o", output, *sources], what=f"compiling {name}.c")
    except ToolFailed as error:
        # What compilers and linkers say of a header or an archive of the C library that is not there.
        if "No such file or directory" in str(error) or "cannot find -lc" in str(error):
            package = "libc6-dev" if native else _LIBC_PACKAGES[architecture]
            raise missing_packages(
                f"the static C library for {architecture} is not installed", package
            ) from None
        raise
    return output
