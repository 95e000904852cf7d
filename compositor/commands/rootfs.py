"""`scanout rootfs`: a desktop's root for UML guests."""

from __future__ import annotations

from pathlib import Path

from guest.linux import build_rootfs, find_rootfs, shown_progress


def build(directory: Path | None) -> None:
    """Make a root, or find it made already, and print where it is."""
    with shown_progress() as progress:
        built = build_rootfs(directory, progress)
    print(built)


def path() -> None:
    """Print where the root in the cache is."""
    print(find_rootfs())
