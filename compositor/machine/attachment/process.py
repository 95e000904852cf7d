"""A simulated guest in a process of its own, attached to a machine."""

from __future__ import annotations

from collections.abc import Sequence

from compositor.adapter.display import Placement
from compositor.adapter.sync_policy import FOR_ANY_GUEST, SyncPolicy
from compositor.frame_clock import VblankGrid
from compositor.machine.attachment.served import Notice, Report, ServedAttachment, TimeKeeping
from compositor.record.recorder import Recorder
from compositor.scene.tree import SceneTree
from guest.process import ProcessGuest
from guest.process.clock import VBLANK
from guest.real import Echo, LinuxGuest
from virtio.clock import Calendar, Clock
from virtio.clock.calendar import Routine
from virtio.clock.time_travel import TimeTravel
from virtio.gpu.limits import Ledger


class ProcessAttachment(ServedAttachment):
    """The guest's process, its device, and, on the virtual clock, the vblanks that it hears of.

    virtio-gpu has no vblank interrupt. A guest in this process is called at each vblank; this one is told by
    a broadcast of the time-travel protocol, at the same place in the calendar: so both draw the same
    frames at the same times.
    """

    patience = None  # it complains itself of a fence that it misses

    def __init__(
        self,
        guest: ProcessGuest,
        name: str,
        tree: SceneTree,
        places: Sequence[Placement],
        clock: Clock,
        recorder: Recorder | None,
        ledger: Ledger,
    ) -> None:
        super().__init__(name, guest.kind, tree, places, clock, recorder, ledger, exact_damage=True)
        self.display.policy = SyncPolicy(guest.sync)
        # How it flips was settled with its start.
        self.policies = FOR_ANY_GUEST if self.sync in FOR_ANY_GUEST else (self.sync,)
        self._grid = tree.outputs[places[0].output or 0].grid
        self._draws_at_vblanks = not guest.render_ns

    async def launch(
        self,
        guest: LinuxGuest | ProcessGuest,
        *,
        echo: Echo,
        report: Report,
        on_picture: Notice,
        time: TimeKeeping | None = None,
    ) -> None:
        """See `ServedAttachment.launch`."""
        await super().launch(guest, echo=echo, report=report, on_picture=on_picture, time=time)
        if time is not None and isinstance(self._clock, Calendar) and self._draws_at_vblanks:
            vblanks = Vblanks(self._clock, self._grid, time.kernel)
            self._resources.callback(vblanks.close)


class Vblanks:
    """Announces every vblank of a display to one guest on the calendar. `close` it."""

    def __init__(self, calendar: Calendar, grid: VblankGrid, guest: TimeTravel) -> None:
        self._calendar, self._grid, self._guest = calendar, grid, guest
        self._next = calendar.call_at(grid.after(calendar.now_ns()), Routine(self._announce))

    def _announce(self) -> None:
        hold = self._calendar.hold(f"{self._guest.participant.name} hears of a vblank")
        self._guest.stand()
        self._guest.announce(VBLANK)
        self._guest.settle(hold.release)
        after_ns = self._grid.after(self._calendar.now_ns())
        self._next = self._calendar.call_at(after_ns, Routine(self._announce))

    def close(self) -> None:
        """Say nothing more."""
        self._next.cancel()
