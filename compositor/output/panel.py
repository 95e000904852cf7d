"""What a monitor can show when: on a grid of vblanks, or whenever a frame is ready."""

from __future__ import annotations

from typing import Protocol

from compositor.errors import BadInput

# 10**12: millihertz times nanoseconds in one cycle per second.
_MILLIHERTZ_NS = 1_000_000_000_000


class Panel(Protocol):
    """Says when finished frames appear."""

    @property
    def period_ns(self) -> int:
        """The shortest time from one frame to the next."""

    @property
    def refresh_ns(self) -> int:
        """As feedback reports it: the time from one refresh to the next, 0 where that is not constant."""

    def first(self, ready_ns: int, last_ns: int) -> int:
        """When a frame appears that is finished at `ready_ns`, behind one that appeared at `last_ns`."""

    def sequence(self, time_ns: int) -> int:
        """Number of the refresh at `time_ns`; 0 where refreshes have none."""


class VblankGrid:
    """The vblanks of a refresh rate, k / refresh: exact in integers, no drift after any number of frames.

    Attributes:
        refresh_mhz: Thousandths of a hertz; may change while running.
    """

    def __init__(self, refresh_mhz: int) -> None:
        self.refresh_mhz = refresh_mhz

    @property
    def period_ns(self) -> int:
        """Time from one vblank to the next, rounded up."""
        return -(-_MILLIHERTZ_NS // self.refresh_mhz)

    @property
    def refresh_ns(self) -> int:
        """Time from one vblank to the next, to the nearest nanosecond."""
        return (_MILLIHERTZ_NS + self.refresh_mhz // 2) // self.refresh_mhz

    def vblank_ns(self, index: int) -> int:
        """Time of vblank number `index`, rounded up to a nanosecond."""
        return -(-index * _MILLIHERTZ_NS // self.refresh_mhz)

    def index_at(self, time_ns: int) -> int:
        """Number of the last vblank at `time_ns`, the one at that very moment included."""
        return time_ns * self.refresh_mhz // _MILLIHERTZ_NS

    def after(self, time_ns: int) -> int:
        """Time of the first vblank after `time_ns`."""
        return self.vblank_ns(self.index_at(time_ns) + 1)

    def first(self, ready_ns: int, last_ns: int) -> int:
        """See `Panel.first`: the first vblank that is not before the one and later than the other."""
        return self.after(max(ready_ns - 1, last_ns))

    def sequence(self, time_ns: int) -> int:
        """Number of the vblank, from 0 at the beginning of the run."""
        return self.index_at(time_ns)


class VariableRefresh:
    """A panel that waits for the frame: FreeSync, Adaptive-Sync, HDMI VRR.

    It can wait so long only. When nothing came for the longest time it scans out the old picture once
    more, which takes the shortest time, and a frame that is ready meanwhile waits for the end of that
    (without what drivers call low framerate compensation). No appointment is needed for it.

    Args:
        min_mhz: The lowest refresh rate, thousandths of a hertz.
        max_mhz: The highest.

    Raises:
        BadInput: The rates are not 1 Hz <= lowest <= highest <= 1000 Hz.
    """

    refresh_ns = 0

    def __init__(self, min_mhz: int, max_mhz: int) -> None:
        if not 1_000 <= min_mhz <= max_mhz <= 1_000_000:
            raise BadInput(
                f"variable refresh from {min_mhz / 1000:g} to {max_mhz / 1000:g} Hz: "
                "must rise, and lie in 1 to 1000 Hz"
            )
        self.min_mhz, self.max_mhz = min_mhz, max_mhz

    @property
    def period_ns(self) -> int:
        """Time that one scan-out takes."""
        return -(-_MILLIHERTZ_NS // self.max_mhz)

    def first(self, ready_ns: int, last_ns: int) -> int:
        """See `Panel.first`."""
        longest_ns = _MILLIHERTZ_NS // self.min_mhz
        last_ns += max(0, ready_ns - last_ns) // longest_ns * longest_ns  # where it repeated itself
        return max(ready_ns, last_ns + self.period_ns)

    def sequence(self, time_ns: int) -> int:  # noqa: ARG002
        """Its refreshes are not numbered."""
        return 0
