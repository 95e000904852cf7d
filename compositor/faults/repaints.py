"""The moments at which an output is repainted: what happens just before, and repaints that do not happen."""

from __future__ import annotations

from collections.abc import Callable

from compositor.faults.hook import Hook
from compositor.frame_clock import OnDemand
from compositor.machine.presenter import Presenter
from compositor.output.frame import Frame
from virtio.clock import Clock


class BeforeRepaints:
    """Calls a function before each repaint that has something to show, until `close`.

    Args:
        presenter: Of the output.
        before: Whether the repaint may happen.
    """

    def __init__(self, presenter: Presenter, before: Callable[[], bool]) -> None:
        self._presenter, self._before = presenter, before
        self._hooks = [Hook(presenter, name, self._repaint) for name in ("repaint", "paint")]

    def close(self) -> None:
        """Call it no more."""
        for hook in self._hooks:
            hook.remove()

    def _repaint(self, repaint: Callable[[], Frame | None]) -> Frame | None:
        output = self._presenter.output
        if output.plugged and output.needs_frame and not self._before():
            return None
        return repaint()


class DroppedVblanks:
    """The compositor hears nothing of some vblanks at which it would have repainted.

    Its frame clock finds out at the next one, as a real compositor does by the number in an event of DRM
    (`drm_event_vblank.sequence`): it counts the vblank as missed, and repaints then.
    """

    def __init__(self, presenter: Presenter, clock: Clock, count: int) -> None:
        self._presenter, self._clock, self._left = presenter, clock, count
        self._repaints = BeforeRepaints(presenter, self._drop)

    def close(self) -> None:
        """Drop none any more."""
        self._repaints.close()

    def _drop(self) -> bool:
        self._left -= 1
        if not self._left:
            self.close()
        frame_clock = self._presenter.frame_clock
        if isinstance(frame_clock, OnDemand):  # it would repaint at once
            grid = self._presenter.output.grid
            self._clock.call_at(grid.after(self._clock.now_ns()), frame_clock.schedule)
        else:
            frame_clock.schedule()
        return False
