"""compositor: what the host does with frames.

`from compositor import Machine, Output` is the way in; both are imported at first use, so that the
compositor's core stays free of the device and the guests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compositor.adapter.display import Placement
    from compositor.machine import Machine
    from compositor.output.output import Output
    from virtio.limits import Limits, Totals

__version__ = "0.1.0"
__all__ = ["Limits", "Machine", "Output", "Placement", "Totals", "__version__"]

_HOMES = {
    "Limits": "virtio.limits",
    "Machine": "compositor.machine",
    "Output": "compositor.output.output",
    "Placement": "compositor.adapter.display",
    "Totals": "virtio.limits",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module  # noqa: PLC0415

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
