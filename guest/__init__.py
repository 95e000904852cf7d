"""guest: what runs inside a virtual machine, simulated or real.

`from guest import SimulatedGuest, ProcessGuest, UmlGuest, QemuGuest` is the way in; each is imported
at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guest.linux.agent import CommandResult
    from guest.linux.errors import CommandFailed
    from guest.process import ProcessGuest
    from guest.real import QemuGuest, UmlGuest
    from guest.simulated import SimulatedGuest

__all__ = ["SimulatedGuest", "ProcessGuest", "UmlGuest", "QemuGuest", "CommandResult", "CommandFailed"]

_HOMES = {
    "SimulatedGuest": "guest.simulated",
    "ProcessGuest": "guest.process",
    "UmlGuest": "guest.real",
    "QemuGuest": "guest.real",
    "CommandResult": "guest.linux.agent",
    "CommandFailed": "guest.linux.errors",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module  # noqa: PLC0415

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
