"""A simulated guest in this process, attached to a machine."""

from __future__ import annotations

from collections.abc import Sequence

from compositor.adapter.display import Placement
from compositor.adapter.late import Patience
from compositor.adapter.sync_policy import SyncPolicy
from compositor.frame_clock import VblankGrid
from compositor.machine.attachment.attachment import Attachment
from compositor.observe.statistics import GuestStatistics
from compositor.record.recorder import Recorder
from compositor.scene.tree import SceneTree
from guest.gpu_loop import GpuLoop
from guest.render_loop import RenderLoop
from guest.simulated import SimulatedGuest
from virtio.clock import Clock
from virtio.clock.calendar import Cancellable


class SimulatedAttachment(Attachment):
    """A guest in this process, drawing a frame at every refresh of its first output, or at its own pace.

    Attributes:
        guest: The guest.
    """

    policies = tuple(SyncPolicy)

    def __init__(
        self,
        guest: SimulatedGuest,
        name: str,
        tree: SceneTree,
        places: Sequence[Placement],
        clock: Clock,
        seed: int,
        recorder: Recorder | None,
    ) -> None:
        super().__init__(name, "simulated", tree, places, clock, recorder)
        self.guest = guest
        self._tree = tree
        self._next: Cancellable | None = None
        self._asleep = False
        self._resources.callback(self._stop)
        self.display.policy = SyncPolicy(guest.sync)
        if guest.patience_ns is not None and guest.render_ns:
            self.display.late.patience = Patience(guest.patience_ns, "the guest")
        guest.on_fault = lambda line: self.display.report(f"{name}: {line}")
        guest.attach(self.make_device(), default_seed=seed, clock=clock)
        if guest.has_gpu:
            guest.renderer.driver.on_job = self._collected.gpu_jobs.add
        guest.start()
        self._loop = self._draw_at_its_own_pace()
        if self._loop is None:
            guest.flips.on_progress = self._wake
            self._tick()

    def set_sync(self, policy: SyncPolicy | str) -> None:
        """As `Attachment.set_sync`; the guest learns of it too."""
        super().set_sync(policy)
        self.guest.set_sync(self.sync)

    def statistics(self) -> GuestStatistics:
        """As `Attachment.statistics`, the GPU's included, and what was copied out of its memory."""
        collected = super().statistics()
        if self.guest.has_gpu:
            renderer = self.guest.renderer
            collected.gpu = renderer.as_dict()
            collected.bytes["migrate"] = renderer.migrated_bytes
        return collected

    def _draw_at_its_own_pace(self) -> RenderLoop | GpuLoop | None:
        if self.guest.has_gpu:
            return GpuLoop(self.guest, self._clock)
        return RenderLoop(self.guest, self._clock) if self.guest.render_ns else None

    def _tick(self) -> None:
        """Draw, and come back at the next vblank: behind the repaint there, which drawing has scheduled."""
        self.guest.frame_tick()
        self._asleep = self.guest.finished
        if not self._asleep:
            self._next = self._clock.call_at(self._grid().after(self._clock.now_ns()), self._tick)

    def _wake(self) -> None:
        """Another mode may want to be drawn for by a guest that had finished; not inside of this call."""
        if self._asleep and not self.guest.finished:
            self._asleep = False
            self._next = self._clock.call_at(self._clock.now_ns(), self._tick)

    def _grid(self) -> VblankGrid:
        """The vblanks of the output that it is on, or of the first of several."""
        return self._tree.outputs[self.display.heads[0].place.output or 0].grid

    def _stop(self) -> None:
        if self._next is not None:
            self._next.cancel()
        if self._loop is not None:
            self._loop.close()
        self.guest.close()
