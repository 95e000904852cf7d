"""Building the root: mmdebstrap installs Debian's packages, then our files are laid over them.

mmdebstrap works as root, or as any user by user namespaces or fakechroot, and picks what the machine allows.
It is asked for an archive, because what it leaves as a directory belongs to users of its own where it
works without root; unpacked by us, every file is ours, and hostfs can read it.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from guest.linux.cache import cache_dir, cached, content_key
from guest.linux.debian import mirror, require_keyring, transport_settings
from guest.linux.tool import Progress, no_progress, require, run_tool
from virtio.errors import Misuse

SUITE = "testing"  # new clients, and never without a package for a day, as sid may be
PACKAGES = (
    "weston",  # with its DRM backend, shells and simple clients
    "seatd",
    "libdrm-tests",  # modetest
    "kmscube",
    "libgl1-mesa-dri",  # llvmpipe: OpenGL on the processor
    "xkb-data",
    "fonts-dejavu-core",
    "dmz-cursor-theme",
)
OVERLAY = Path(__file__).parent / "overlay"
RECIPE = Path("usr/libexec/scanout/recipe")  # in the root: what it was made from

_APT = ('APT::Install-Recommends "false"', 'Acquire::AllowInsecureRepositories "false"')
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
# Of the machine that builds, or of no use in a root that never changes.
_REMOVED = (
    "etc/hostname",
    "etc/resolv.conf",
    "etc/apt/sources.list",
    "etc/apt/apt.conf.d/99mmdebstrap",
    "var/log/fontconfig.log",
)
_STEP = re.compile(r"(Get:\d|Unpacking |Setting up )")
_STEPS = 900  # such lines, three a package; for the progress bar alone


def build_rootfs(directory: Path | None = None, progress: Progress = no_progress) -> Path:
    """Make a root of Debian packages, or return the one that was made before from the same list.

    Takes 2 minutes, fetches about 200 MB and keeps about 700 MB. Every package is verified by apt.

    Args:
        directory: Where; not there yet, or empty. None: in the cache.
        progress: Told about each stage.

    Raises:
        Misuse: There is something else in `directory`.
        ToolMissing: A program that this needs is not installed.
        ToolFailed: No network, a signature that does not fit, or no way to install without root.
    """
    if directory is None:
        return cached(_cached_root(), lambda scratch: _build(scratch, progress))
    if _is_built(directory):
        return directory
    if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        raise Misuse(f"{directory}: in use; give a directory that is empty or not there yet")
    directory = directory.absolute()
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        # Beside it, so that it gets its name in one step, when finished.
        with tempfile.TemporaryDirectory(prefix=f".{directory.name}.", dir=directory.parent) as scratch:
            return _build(Path(scratch), progress).replace(directory)
    except PermissionError as error:
        raise Misuse(f"cannot make a root in {directory}: {error.strerror}") from None


def find_rootfs() -> Path:
    """The root in the cache.

    Raises:
        Misuse: None was built of today's packages.
    """
    if not (root := _cached_root()).exists():
        raise Misuse("no root was built of the packages that this version takes; run: scanout rootfs build")
    return root


def recipe() -> str:
    """A short name for everything that a root is made from."""
    overlay = [part for name, data in _overlay() for part in (str(name), data)]
    return content_key(SUITE, *PACKAGES, *_APT, *_LEFT_OUT, *_REMOVED, *overlay)


def _cached_root() -> Path:
    return cache_dir("roots") / f"debian-{SUITE}-{recipe()}"


def _is_built(directory: Path) -> bool:
    marker = directory / RECIPE
    return marker.exists() and marker.read_text() == recipe()


def _build(scratch: Path, progress: Progress) -> Path:
    archive, root = scratch / "root.tar", scratch / "root"
    _install(archive, progress)
    progress("unpacking the root")
    root.mkdir()
    # The guest's kernel fills /dev; making devices is root's right.
    unpack = ["tar", "-xpf", str(archive), "-C", str(root), "--numeric-owner", "--exclude=./dev/*"]
    run_tool(unpack, what="unpacking the root")
    archive.unlink()
    for name in _REMOVED:
        (root / name).unlink(missing_ok=True)
    _lay_over(root)
    return root


def _install(archive: Path, progress: Progress) -> None:
    """Have mmdebstrap install the packages into an archive."""
    require("mmdebstrap", "tar", "unshare", *(() if os.geteuid() == 0 else ("newuidmap",)))
    stage = f"installing Debian's packages ({SUITE})"
    progress(stage)
    command = [
        "mmdebstrap",
        "--verbose",
        "--variant=essential",
        "--format=tar",
        f"--include={','.join(PACKAGES)}",
        *(f"--aptopt={option}" for option in (*transport_settings(), *_APT)),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
        SUITE,
        str(archive),
        # By this keyring alone, whatever else the machine trusts.
        f"deb [signed-by={require_keyring()}] {mirror()} {SUITE} main",
    ]
    steps = 0

    def on_line(line: str) -> None:
        nonlocal steps
        if _STEP.match(line):
            steps += 1
            progress(stage, min(steps / _STEPS, 0.99))

    with _workshop() as directory:
        run_tool([*_apart(), *command], what=stage, environment={"TMPDIR": str(directory)}, on_line=on_line)


def _apart() -> list[str]:
    """What keeps its mounts (/proc, /sys) to itself as root; they go with it, however it ends.

    Without root it makes a user namespace, and mounts there.
    """
    prefix = ["unshare", "--mount"]
    # In a chroot or a container there may be no namespace to be had; then mmdebstrap's own care must do.
    usable = os.geteuid() == 0 and subprocess.run([*prefix, "true"], capture_output=True, check=False)
    return prefix if usable and usable.returncode == 0 else []


@contextmanager
def _workshop() -> Iterator[Path]:
    """Where mmdebstrap works. It does not clean up when it is interrupted.

    Without root it works as other users, who must be able to get in, which they are not in a home; and what
    they leave can be removed only in a user namespace like theirs.
    """
    directory = Path(tempfile.mkdtemp(prefix="scanout-rootfs-"))
    enter = [] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--map-auto"]
    try:
        directory.chmod(0o777)
        yield directory
    finally:
        remove = [*enter, "rm", "-rf", "--one-file-system", str(directory)]
        run_tool(remove, what=f"removing {directory}")


def _lay_over(root: Path) -> None:
    """Add our files, and say what the root was made from."""
    for name, data in _overlay():
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(0o755 if data.startswith(b"#!") else 0o644)
    (root / RECIPE).write_text(recipe())


def _overlay() -> Iterator[tuple[Path, bytes]]:
    """Our files in an order that is always the same: the path in the root, and the content."""
    for path in sorted(OVERLAY.rglob("*")):
        if path.is_file():
            yield path.relative_to(OVERLAY), path.read_bytes()
