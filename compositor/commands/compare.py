"""`scanout compare`: two screenshots."""

from __future__ import annotations

from pathlib import Path

from compositor import compare as pictures
from compositor.commands.options import check_writable
from compositor.errors import RunFailed
from compositor.pixels.screenshot import save_png


def compare(a: Path, b: Path, *, fuzz: int, difference: Path | None) -> None:
    """Compare two PNG files.

    Raises:
        RunFailed: They differ.
        BadInput: A file cannot be read, or the difference image not be written.
    """
    if difference is not None:
        check_writable("--difference", difference)
    found = pictures.compare(a, b, tolerance=fuzz)
    if found.equal:
        print(f"{a} and {b} are equal" + (f" within {fuzz}" if fuzz else ""))
        return
    if difference is not None:
        save_png(difference, found.image)
        print(f"wrote {difference}")
    raise RunFailed(f"{a} and {b} differ: {found}")
