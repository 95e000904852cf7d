"""Pictures compared: exactly, or within a tolerance, of arrays, PNG files, golden pictures and directories.

A picture is (height, width, 4) in the order R, G, B, A: uint8, or uint16 where a PNG has 16 bits a channel.
Names are imported at first use, so that to import this package costs nothing.

| module | holds |
|---|---|
| `png` | PNG files read exactly, in all their kinds |
| `still` | a picture of any source, decoded when it is looked at |
| `golden` | golden pictures: PNG files that carry a hash of their pixels |
| `tolerance` | what may differ |
| `region` | what is compared: masks and clips |
| `comparison` | two pictures, compared |
| `antialias`, `perceptual` | which differences an eye does not see |
| `painting` | the picture of a difference |
| `directories` | pairs of files by name |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compositor.compare.comparison import Comparison, compare
    from compositor.compare.golden import Golden, open_golden, pixel_hash, write_golden
    from compositor.compare.still import Still, load_png
    from compositor.compare.tolerance import Tolerance

__all__ = [
    "compare",
    "Comparison",
    "Tolerance",
    "Golden",
    "open_golden",
    "write_golden",
    "pixel_hash",
    "Still",
    "load_png",
]

_HOMES = {
    "compare": "comparison",
    "Comparison": "comparison",
    "Tolerance": "tolerance",
    "Golden": "golden",
    "open_golden": "golden",
    "write_golden": "golden",
    "pixel_hash": "golden",
    "Still": "still",
    "load_png": "still",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module  # noqa: PLC0415

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
