"""`scanout kernel`: the UML kernel."""

from __future__ import annotations

from pathlib import Path

from guest.linux import build_kernel, find_kernel, shown_progress


def build(source: Path | None) -> None:
    """Build a kernel, or find it built already, and print where it is."""
    with shown_progress() as progress:
        built = build_kernel(source, progress)
    print(built)


def path() -> None:
    """Print which kernel would be booted."""
    print(find_kernel())
