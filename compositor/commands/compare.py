"""`scanout compare`: two screenshots."""

from __future__ import annotations

from pathlib import Path

from compositor.commands.options import check_writable
from compositor.errors import RunFailed
from compositor.pixels import screenshot


def compare(a: Path, b: Path, *, fuzz: int, difference: Path | None) -> None:
    """Compare two PNG files.

    Raises:
        RunFailed: They differ.
        BadInput: A file cannot be read, or the difference image not be written.
    """
    if difference is not None:
        check_writable("--difference", difference)
    found = screenshot.compare(screenshot.load_png(a), screenshot.load_png(b), fuzz=fuzz)
    if found.equal:
        print(f"{a} and {b} are equal" + (f" within {fuzz}" if fuzz else ""))
        return
    if difference is not None:
        screenshot.save_png(difference, found.image)
        print(f"wrote {difference}")
    raise RunFailed(f"{a} and {b} differ: {found}")
