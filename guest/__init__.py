"""guest: what runs inside a virtual machine, simulated or real.

`from guest import SimulatedGuest, ProcessGuest, UmlGuest, QemuGuest` is the way in; `Picture` and `Workload`
are what the first two show; `ScriptedGuest` and `CommandedGuest` show what a test tells them. Each is
imported at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guest.commanded import CommandedGuest
    from guest.driver.atomic import CursorState
    from guest.picture import Picture
    from guest.process import ProcessGuest
    from guest.real import QemuGuest, UmlGuest
    from guest.script import Kms, ScriptedGuest
    from guest.simulated import SimulatedGuest
    from guest.workloads import Workload

__all__ = [
    "SimulatedGuest",
    "ProcessGuest",
    "UmlGuest",
    "QemuGuest",
    "Picture",
    "Workload",
    "ScriptedGuest",
    "Kms",
    "CursorState",
    "CommandedGuest",
]

_HOMES = {
    "SimulatedGuest": "guest.simulated",
    "ProcessGuest": "guest.process",
    "UmlGuest": "guest.real",
    "QemuGuest": "guest.real",
    "Picture": "guest.picture",
    "Workload": "guest.workloads",
    "ScriptedGuest": "guest.script",
    "Kms": "guest.script",
    "CursorState": "guest.driver.atomic",
    "CommandedGuest": "guest.commanded",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module  # noqa: PLC0415

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
