"""Debian's own kernel, as a QEMU guest runs it: its image and the modules of a virtio display.

The kernel of Debian 12, whatever this machine runs: figures measured with it stay comparable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from guest.linux.cache import cache_dir, cached, content_key
from guest.linux.debian import Suite, unpack
from guest.linux.errors import KernelUnusable, ToolFailed
from guest.linux.kernel.image import unpacked_image
from guest.linux.kernel.modules import load_order
from guest.linux.tool import Progress, no_progress

SUITE = "bookworm"
DEBIAN_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# The bus, the display, and the other DRM device, which lends buffers to it.
_MODULES = ("virtio_pci", "virtio_gpu", "vgem")
# The display belongs to the guest's program, and not to a text console before and after it.
_PARAMETERS = {"drm_kms_helper": "fbdev_emulation=0"}


@dataclass(frozen=True, slots=True)
class Module:
    """A kernel module to load.

    Attributes:
        path: Its file, decompressed.
        parameters: As `modprobe` takes them.
    """

    path: Path
    parameters: str = ""


@dataclass(frozen=True, slots=True)
class StockKernel:
    """A distribution's kernel.

    Attributes:
        image: What QEMU's -kernel takes.
        modules: Those that a display needs, in the order to load them.
    """

    image: Path
    modules: tuple[Module, ...] = ()


def stock_kernel(architecture: str, progress: Progress = no_progress) -> StockKernel:
    """Debian's kernel, from the cache or fetched now (about 70 MB).

    Args:
        architecture: "x86_64" or "aarch64".
        progress: Told about the download.

    Raises:
        ToolMissing: apt or dpkg is not installed.
        ToolFailed: The download failed.
        KernelUnusable: The package is not as expected.
    """
    debian = DEBIAN_ARCHITECTURES[architecture]
    target = cache_dir("debian-kernels") / f"{SUITE}-{debian}-{content_key(*_MODULES)}"

    def make(scratch: Path) -> Path:
        suite = Suite(SUITE, debian, progress)
        unpack(suite.fetch(_image_package(suite), scratch), scratch / "package")
        return _select(scratch / "package", scratch / "kernel")

    kept = cached(target, make)
    names = (kept / "load-order").read_text().split()
    modules = [Module(kept / f"{name}.ko", _PARAMETERS.get(name, "")) for name in names]
    return StockKernel(kept / "image", tuple(modules))


def _image_package(suite: Suite) -> str:
    """linux-image-ARCHITECTURE is an empty package that depends on the real one."""
    meta = f"linux-image-{suite.architecture}"
    for name in suite.dependencies(meta):
        if re.match(r"linux-image-\d", name):
            return name
    raise ToolFailed(f"Debian {suite.name}: {meta} names no kernel")


def _select(package: Path, into: Path) -> Path:
    """Keep of an unpacked kernel package what a display needs."""
    images = sorted(package.glob("boot/vmlinuz-*"))
    trees = sorted(package.glob("lib/modules/*")) + sorted(package.glob("usr/lib/modules/*"))
    if len(images) != 1 or len(trees) != 1:
        raise KernelUnusable(f"a kernel package with {len(images)} images and {len(trees)} module trees")
    into.mkdir()
    (into / "image").write_bytes(unpacked_image(images[0].read_bytes()))
    modules = load_order(trees[0], _MODULES)
    for name, data in modules.items():
        (into / f"{name}.ko").write_bytes(data)
    (into / "load-order").write_text("\n".join(modules))
    return into
