"""How early a frame is begun, and how many may be on their way to the screen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from compositor.errors import BadInput
from compositor.output.panel import Panel

MILLISECOND = 1_000_000
WINDOW_MS = 7.0  # weston.ini(5), repaint-window: "7" by default

_TEXT = re.compile(r"(delay|window|adaptive|triple)(?:=([0-9]{1,4}(?:\.[0-9]{1,6})?)(?:ms)?)?")


class CostEstimate:
    """Expects the next frame to cost what the costliest of the last ones did.

    A maximum that decays: an average would miss every second deadline of a load that varies, and a maximum
    for ever would keep the latency of one slow frame. Mutter keeps the maximum of the last second for the
    next (clutter-frame-clock.c), KWin an average and its spread (renderjournal.cpp); here, the distance to
    a cheaper frame shrinks by a sixteenth with every frame, which takes away 98 % of it in a second at 60 Hz.

    Attributes:
        ns: The expectation.
    """

    __slots__ = ("ns",)
    _DECAY = 16

    def __init__(self, ns: int) -> None:
        self.ns = ns

    def add(self, cost_ns: int) -> None:
        """A frame cost so much."""
        if cost_ns >= self.ns:
            self.ns = cost_ns
        else:
            self.ns -= -(-(self.ns - cost_ns) // self._DECAY)


@dataclass(frozen=True, slots=True)
class Pacing:
    """When the compositor begins a frame; at most one of `delay_ns` and `window_ns` is set.

    Attributes:
        delay_ns: So long after a vblank, for the next.
        window_ns: So long before the vblank, as weston's repaint-window. Neither: adaptive, as long before as
            the last frames took, plus the margin.
        margin_ns: What adaptive pacing adds for surprises.
        frames: How many may be begun and not on the screen: 1 is double buffering; 2 is triple buffering,
            used while frames take longer than a refresh, or came late (Mutter !1441, KWin !4833).
    """

    delay_ns: int | None = None
    window_ns: int | None = None
    margin_ns: int = MILLISECOND
    frames: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """The pacing that a text means.

        Args:
            text: "delay=9", "window=7" (milliseconds; "window" alone as weston), "adaptive" or "triple", of
                which "adaptive=2" sets the margin.

        Raises:
            BadInput: It means none.
        """
        match = _TEXT.fullmatch(text)
        if match is None or (match[1] == "delay" and match[2] is None):
            raise BadInput(
                f'pacing "{text}": use delay=MS, window=MS, adaptive or triple; '
                "adaptive=MS and triple=MS set the margin"
            )
        time_ns = None if match[2] is None else round(float(match[2]) * MILLISECOND)
        match match[1]:
            case "delay":
                return cls(delay_ns=time_ns)
            case "window":
                return cls(window_ns=round(WINDOW_MS * MILLISECOND) if time_ns is None else time_ns)
            case kind:
                margin_ns = MILLISECOND if time_ns is None else time_ns
                return cls(margin_ns=margin_ns, frames=2 if kind == "triple" else 1)

    def check(self, panel: Panel) -> None:
        """Refuse what the panel has no time for.

        Raises:
            BadInput: A time is negative, or a window or delay is not below the refresh period.
        """
        for name in ("delay_ns", "window_ns"):
            time_ns = getattr(self, name)
            if time_ns is not None and not 0 <= time_ns < panel.period_ns:
                raise BadInput(f"{name} {time_ns} is not in 0 to {panel.period_ns - 1}, below a refresh")
        if self.delay_ns is not None and self.window_ns is not None:
            raise BadInput(f"delay_ns {self.delay_ns} and window_ns {self.window_ns}: set one of them")
        if self.margin_ns < 0:
            raise BadInput(f"margin_ns {self.margin_ns} is below 0")
        if self.frames not in (1, 2):
            raise BadInput(f"frames {self.frames}: 1 or 2 can be on their way")

    def lead_ns(self, expected_ns: int) -> int:
        """How long before its vblank a frame is begun that is expected to cost so much."""
        return expected_ns + self.margin_ns if self.window_ns is None else self.window_ns
