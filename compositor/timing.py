"""What work costs on the virtual clock, where computing as such costs nothing."""

from __future__ import annotations

from dataclasses import dataclass, fields

from compositor.errors import BadInput


@dataclass(frozen=True, slots=True)
class TimingModel:
    """Virtual time of the device's and the host's work, ns; by default none, as for infinitely fast ones.

    Attributes:
        command_ns: From a kick of a guest in a process of its own to the device's work.
        compose_ns: From a flush to the finished frame, where a flush asks for a frame at once (`OnDemand`).
        scanout_ns: From the finished frame to its first pixel on the screen, there as well.
    """

    command_ns: int = 0
    compose_ns: int = 0
    scanout_ns: int = 0

    def check(self) -> None:
        """Refuse work that ends before it begins.

        Raises:
            BadInput: A duration is negative; the message names it.
        """
        for field in fields(self):
            if getattr(self, field.name) < 0:
                raise BadInput(f"timing: {field.name} is {getattr(self, field.name)}: not below 0")


INFINITELY_FAST = TimingModel()
