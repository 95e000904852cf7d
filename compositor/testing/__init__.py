"""What the pytest plugin is made of: machines that are closed with their test, guests, golden pictures.

`compositor.pytest_plugin` has the fixtures, options and the marker. What a test imports from here is the
strategy of faults, `from compositor.testing import faults, keeping`; it comes at first use, with the machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compositor.testing.strategies import faults, keeping

__all__ = ["faults", "keeping"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from compositor.testing import strategies  # noqa: PLC0415

    return getattr(strategies, name)
