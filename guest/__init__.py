"""guest: what runs inside a virtual machine, simulated or real.

`from guest import SimulatedGuest, ProcessGuest, UmlGuest, QemuGuest` is the way in; `Picture` and `Workload`
are what the first two show; `ScriptedGuest` and `CommandedGuest` show what a test tells them. All names are
imported at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guest.commanded import CommandedGuest
    from guest.driver.atomic import CursorState
    from guest.faults import FAULTS
    from guest.gpu import Gpu
    from guest.linux.agent import CommandResult
    from guest.linux.errors import CommandFailed, GuestDied
    from guest.picture import Picture
    from guest.process import ProcessGuest
    from guest.real import LinuxGuest, QemuGuest, UmlGuest
    from guest.script import Kms, ScriptedGuest
    from guest.simulated import SimulatedGuest
    from guest.workloads import WORKLOADS, Workload
else:
    from virtio.lazy import lazily

    __getattr__ = lazily(
        __name__,
        {
            "CommandedGuest": "guest.commanded",
            "CommandFailed": "guest.linux.errors",
            "CommandResult": "guest.linux.agent",
            "CursorState": "guest.driver.atomic",
            "FAULTS": "guest.faults",
            "Gpu": "guest.gpu",
            "GuestDied": "guest.linux.errors",
            "Kms": "guest.script",
            "LinuxGuest": "guest.real",
            "Picture": "guest.picture",
            "ProcessGuest": "guest.process",
            "QemuGuest": "guest.real",
            "ScriptedGuest": "guest.script",
            "SimulatedGuest": "guest.simulated",
            "UmlGuest": "guest.real",
            "Workload": "guest.workloads",
            "WORKLOADS": "guest.workloads",
        },
    )

__all__ = [
    "SimulatedGuest", "ProcessGuest", "UmlGuest", "QemuGuest", "LinuxGuest",
    "Picture", "Workload", "WORKLOADS", "Gpu", "ScriptedGuest", "Kms", "CursorState", "CommandedGuest",
    "FAULTS", "GuestDied", "CommandResult", "CommandFailed",
]  # fmt: skip
