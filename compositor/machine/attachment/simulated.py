"""A guest in this process, attached to a machine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack, suppress

from compositor.adapter.display import Placement
from compositor.adapter.late import Patience
from compositor.adapter.sync_policy import SyncPolicy
from compositor.machine.attachment.attachment import Attachment
from compositor.observe.statistics import GuestStatistics
from compositor.record.recorder import Recorder
from compositor.scene.tree import SceneTree
from guest.bare import BareGuest
from guest.draw_loop import DrawLoop
from guest.simulated import SimulatedGuest
from virtio.clock import Clock
from virtio.clock.guarded import GuardedClock
from virtio.gpu.limits import Ledger


class SimulatedAttachment(Attachment):
    """A guest in this process; one with a workload draws a frame at every refresh, or at its own pace.

    Attributes:
        guest: The guest.
    """

    policies = tuple(SyncPolicy)

    def __init__(
        self,
        guest: BareGuest,
        name: str,
        tree: SceneTree,
        places: Sequence[Placement],
        clock: Clock,
        seed: int,
        recorder: Recorder | None,
        ledger: Ledger,
    ) -> None:
        super().__init__(
            name, "simulated", tree, places, clock, recorder, ledger, exact_damage=guest.exact_damage
        )
        self.guest = guest
        self._tree = tree
        self.display.policy = SyncPolicy(guest.sync)
        guest.on_fault = lambda line: self.display.report(f"{name}: {line}")
        self._seed = seed
        with ExitStack() as undo:  # a guest that cannot be started leaves nothing in the scene
            undo.callback(self.display.close)
            if self._tap is not None:
                undo.callback(self._tap.gone)
            self._boot()
            undo.pop_all()

    def _boot(self) -> None:
        """Plug a fresh device in, and begin."""
        guest, clock = self.guest, self._clock
        guest_clock = GuardedClock(clock, self.fail)
        guest.attach(self.make_device(), default_seed=self._seed, clock=guest_clock)
        with ExitStack() as undo:
            undo.callback(guest.close)
            self._resources.callback(guest.close)
            self._loop = self._animated(guest, guest_clock) if isinstance(guest, SimulatedGuest) else None
            self._end = lambda: clock.call_at(clock.now_ns(), self._switch_off)  # not inside of its device
            self.ended = self._failed = asyncio.get_running_loop().create_future()
            guest.start()
            undo.pop_all()

    def _animated(self, guest: SimulatedGuest, clock: Clock) -> DrawLoop:
        """Have a guest draw that was not started yet."""
        if guest.patience_ns is not None and guest.render_ns:
            self.display.late.patience = Patience(guest.patience_ns, "the guest")
        if guest.has_gpu:
            guest.renderer.driver.on_job = self._collected.gpu_jobs.add
        takes_time = guest.has_gpu or guest.render_ns
        loop = DrawLoop(guest, clock, None if takes_time else self._next_vblank_ns)
        self._resources.callback(loop.close)
        return loop

    def _switch_off(self) -> None:
        for close in (self._stop_drawing, self.guest.close):
            with suppress(Exception):  # that it is broken is known, where it is
                close()
        if self._failed.done():
            return
        if self.failure is None:
            self._failed.set_result(None)
        else:
            self._failed.set_exception(self.failure)
            self._failed.exception()  # maybe no run is left that asks

    def _stop_drawing(self) -> None:
        if self._loop is not None:
            self._loop.close()

    def _kill(self) -> None:
        self._end()

    async def boot_again(self) -> None:
        """For `restart`."""
        await self._end_all()
        self._boot()

    def stop(self) -> None:
        """The guest draws nothing until as many calls of `go_on`; interrupts still come."""
        if self._loop is not None:
            self._loop.stop()

    def go_on(self) -> None:
        """It goes on."""
        if self._loop is not None:
            self._loop.go_on()

    def set_sync(self, policy: SyncPolicy | str) -> None:
        """As `Attachment.set_sync`; the guest learns of it too."""
        super().set_sync(policy)
        self.guest.set_sync(self.sync)

    def statistics(self) -> GuestStatistics:
        """As `Attachment.statistics`, the GPU's included, and what was copied out of its memory."""
        collected = super().statistics()
        if isinstance(self.guest, SimulatedGuest) and self.guest.has_gpu:
            renderer = self.guest.renderer
            collected.gpu = renderer.as_dict()
            collected.bytes["migrate"] = renderer.migrated_bytes
        return collected

    def _next_vblank_ns(self) -> int:
        """The next vblank of the output that it is on, or of the first of several."""
        grid = self._tree.outputs[self.display.heads[0].place.output or 0].grid
        return grid.after(self._clock.now_ns())
