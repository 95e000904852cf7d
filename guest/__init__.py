"""guest: what runs inside a virtual machine, simulated or real.

`from guest import SimulatedGuest, ProcessGuest, UmlGuest, QemuGuest` is the way in; all names are imported
at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guest.faults import FAULTS
    from guest.gpu import Gpu
    from guest.linux.agent import CommandResult
    from guest.linux.errors import CommandFailed, GuestDied
    from guest.process import ProcessGuest
    from guest.real import LinuxGuest, QemuGuest, UmlGuest
    from guest.simulated import SimulatedGuest
    from guest.workloads import WORKLOADS, Workload
else:
    from virtio.lazy import lazily

    __getattr__ = lazily(
        __name__,
        {
            "CommandFailed": "guest.linux.errors",
            "CommandResult": "guest.linux.agent",
            "FAULTS": "guest.faults",
            "Gpu": "guest.gpu",
            "GuestDied": "guest.linux.errors",
            "LinuxGuest": "guest.real",
            "ProcessGuest": "guest.process",
            "QemuGuest": "guest.real",
            "SimulatedGuest": "guest.simulated",
            "UmlGuest": "guest.real",
            "WORKLOADS": "guest.workloads",
            "Workload": "guest.workloads",
        },
    )

__all__ = [
    "SimulatedGuest", "ProcessGuest", "UmlGuest", "QemuGuest", "LinuxGuest",
    "Workload", "WORKLOADS", "Gpu", "FAULTS", "GuestDied", "CommandResult", "CommandFailed",
]  # fmt: skip
