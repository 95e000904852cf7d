"""Names of a package that are imported at first use, so that importing the package costs next to nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("virtio", "guest", "compositor")
_ROOT = Path(__file__).parents[1]


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """The `__getattr__` of a package.

    Args:
        package: Its name.
        homes: The module that each of its public names comes from.
    """

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return getattr(import_module(homes[name]), name)
        except ImportError as error:
            lines = shadowed() if (error.name or "").partition(".")[0] in PACKAGES else []
            if lines:
                raise ImportError("; ".join(lines), name=error.name) from error
            raise

    return get


def shadowed() -> list[str]:
    """A line for each of the three packages that is found elsewhere: another's, or a folder in the way."""
    lines = []
    for package in PACKAGES:
        spec = find_spec(package)
        places = [] if spec is None else list(spec.submodule_search_locations or [spec.origin or ""])
        if places and all(Path(place).resolve() != (_ROOT / package).resolve() for place in places):
            lines.append(
                f"{places[0]} is imported as {package!r}, which scanout has at {_ROOT / package}: "
                "rename it, or start Python elsewhere"
            )
    return lines
