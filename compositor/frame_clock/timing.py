"""What work costs on the virtual clock, where computing as such costs nothing."""

from __future__ import annotations

from dataclasses import dataclass, fields

from compositor.errors import BadInput


@dataclass(frozen=True, slots=True)
class TimingModel:
    """Virtual time of the device's and the host's work, ns; by default none, as for infinitely fast ones.

    Attributes:
        command_ns: From a kick of a guest in a process of its own to the device's work.
        compose_ns: The compositor's work on a frame: from its beginning, or from the flush where a flush asks
            for a frame at once (`OnDemand`), to the commands for the GPU.
        render_ns: The GPU's work on it, up to the finished frame. Each of the two does one frame at a time,
            and both work at the same time.
        scanout_ns: From the finished frame to its first pixel on the screen, without a vblank grid
            (`OnDemand`), where nothing else says when that is.
    """

    command_ns: int = 0
    compose_ns: int = 0
    render_ns: int = 0
    scanout_ns: int = 0

    @property
    def frame_ns(self) -> int:
        """From the beginning of a frame to its end."""
        return self.compose_ns + self.render_ns

    def check(self) -> None:
        """Refuse work that ends before it begins.

        Raises:
            BadInput: A duration is negative; the message names it.
        """
        for field in fields(self):
            if getattr(self, field.name) < 0:
                raise BadInput(f"timing: {field.name} is {getattr(self, field.name)}: not below 0")


INFINITELY_FAST = TimingModel()
