"""compositor: what the host does with frames.

`from compositor import Machine, Output` is the way in; all names are imported at first use, so that the
compositor's core stays free of the device and the guests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compositor.adapter.display import Placement
    from compositor.adapter.sync_policy import SyncPolicy
    from compositor.errors import (
        BadInput,
        GuestFailed,
        Misuse,
        RunFailed,
        ScanoutError,
        ScreenError,
        WaitFailed,
    )
    from compositor.frame_clock.timing import TimingModel
    from compositor.machine.attachment import Attachment
    from compositor.machine.attachment.console import GuestConsole
    from compositor.machine.machine import Machine
    from compositor.machine.run import StopReason
    from compositor.output.frame import Frame
    from compositor.output.mode import Mode
    from compositor.output.output import Output
    from compositor.output.pacing import Pacing
    from compositor.output.panel import VariableRefresh
    from compositor.output.submission import Discarded, PresentationFlags, Presented
    from virtio.limits import Limits, Totals
else:
    _HOMES = {
        "Attachment": "compositor.machine.attachment",
        "BadInput": "compositor.errors",
        "Discarded": "compositor.output.submission",
        "Frame": "compositor.output.frame",
        "GuestConsole": "compositor.machine.attachment.console",
        "GuestFailed": "compositor.errors",
        "Limits": "virtio.limits",
        "Machine": "compositor.machine",
        "Misuse": "compositor.errors",
        "Mode": "compositor.output.mode",
        "Output": "compositor.output.output",
        "Pacing": "compositor.output.pacing",
        "Placement": "compositor.adapter.display",
        "PresentationFlags": "compositor.output.submission",
        "Presented": "compositor.output.submission",
        "RunFailed": "compositor.errors",
        "ScanoutError": "compositor.errors",
        "ScreenError": "compositor.errors",
        "StopReason": "compositor.machine.run",
        "SyncPolicy": "compositor.adapter.sync_policy",
        "TimingModel": "compositor.frame_clock.timing",
        "Totals": "virtio.limits",
        "VariableRefresh": "compositor.output.panel",
        "WaitFailed": "compositor.errors",
    }

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            from virtio.lazy import lazily  # noqa: PLC0415
        except ImportError as error:  # another package of that name is in the way
            from importlib.util import find_spec  # noqa: PLC0415

            spec = find_spec("virtio")
            found = "nowhere" if spec is None else spec.origin or list(spec.submodule_search_locations or ())
            raise ImportError(
                f"'virtio', which scanout brings along, is found at {found}, and that is another package: "
                "rename it, or start Python elsewhere",
                name="virtio",
            ) from error
        return lazily(__name__, _HOMES)(name)


__version__ = "0.1.0"
__all__ = [
    "Machine", "Output", "Placement", "Mode", "Pacing", "VariableRefresh", "TimingModel", "SyncPolicy",
    "Limits", "Totals",
    "Attachment", "GuestConsole",
    "Frame", "Presented", "Discarded", "PresentationFlags", "StopReason",
    "ScanoutError", "BadInput", "Misuse", "RunFailed", "WaitFailed", "GuestFailed", "ScreenError",
    "__version__",
]  # fmt: skip
