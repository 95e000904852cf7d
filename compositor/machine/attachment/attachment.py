"""A guest attached to a machine: its display, its device, its statistics, and what ends with it."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from compositor.adapter.display import GuestDisplay, Placement
from compositor.adapter.late import Patience
from compositor.adapter.sync_policy import FOR_ANY_GUEST, SyncPolicy
from compositor.errors import GuestFailed
from compositor.observe.statistics import GuestStatistics
from compositor.output.submission import Feedback, Presented
from compositor.record.recorder import Recorder
from compositor.scene.tree import SceneTree
from guest.workloads.stamp import read_stamp
from virtio.clock import Clock
from virtio.clock.guarded import GuardedClock
from virtio.errors import one_line
from virtio.fence import Fence, Producer
from virtio.gpu.device import GpuDevice
from virtio.gpu.limits import Ledger
from virtio.gpu.statistics import Statistics as DeviceStatistics


class Attachment:
    """What all kinds of guest have in common.

    Attributes:
        name: Unique on the machine.
        kind: "simulated", "uml", "qemu" or "vhost-user".
        ledger: What it uses of this machine, and may use.
        display: The guest's place on the screens.
        ended: Done when the guest has ended, with what it died of; None: it never does.
        failure: What went wrong in a turn of its own, and ended it.
        policies: The sync policies that a guest of this kind can live with.
        patience: How long a guest of this kind waits for a flush; None: for ever.
    """

    policies: Sequence[SyncPolicy] = FOR_ANY_GUEST
    patience: Patience | None = None

    def __init__(
        self,
        name: str,
        kind: str,
        tree: SceneTree,
        places: Sequence[Placement],
        clock: Clock,
        recorder: Recorder | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.name = name
        self.ledger = ledger or Ledger()
        self.kind = kind
        self._clock = clock
        self.ended: asyncio.Future[None] | None = None
        self.failure: GuestFailed | None = None
        self._end: Callable[[], object] = lambda: None  # ends it at once, or begins to
        self._collected = GuestStatistics(name, kind)
        self.display = GuestDisplay(
            name,
            tree,
            places,
            statistics=self._collected,
            now_ns=clock.now_ns,
            read_stamp=read_stamp,
            call_at=GuardedClock(clock, self.fail).call_at,
        )
        self.display.late.patience = self.patience
        self._tap = None if recorder is None else recorder.guest(name, kind, places)
        self._device: GpuDevice | None = None
        self._past = DeviceStatistics()  # of devices that served this guest before
        self._awaited: list[Fence] = []  # of `next_presented`
        self._resources = AsyncExitStack()

    def make_device(self) -> GpuDevice:
        """A fresh device on this guest's display; what the last one counted is kept."""
        self.failure = None
        if self._device is not None:
            self._past.commands += self._device.commands
            self._past.errors += self._device.errors
            self._past.transfer_bytes += self._device.transfer_bytes
            self._past.cursor_bytes += self._device.cursor_bytes
        self._device = GpuDevice(self.display, ledger=self.ledger, host_memory=self.kind == "simulated")
        self._device.on_failure = self.fail
        self._device.blocking = self.display.policy is SyncPolicy.BLOCKING
        if self._tap is not None:
            self._tap.sync_set(self.display.policy.value)
            self._tap.device_made()
            self._device.tap = self._tap
        return self._device

    @property
    def sync(self) -> SyncPolicy:
        """What the guest's flushes wait for."""
        return self.display.policy

    def set_sync(self, policy: SyncPolicy | str) -> None:
        """Choose another policy, at any time; flushes that are on their way keep theirs.

        Raises:
            BadInput: There is no such policy, or a guest of this kind cannot live with it.
        """
        chosen = SyncPolicy.parse(policy, self.policies, self.name)
        self.display.policy = chosen
        if self._tap is not None:
            self._tap.sync_set(chosen.value)
        if self._device is not None:
            self._device.blocking = chosen is SyncPolicy.BLOCKING

    @property
    def last_fault(self) -> str | None:
        """Why its last refused command was refused."""
        return None if self._device is None else self._device.last_fault

    def statistics(self) -> GuestStatistics:
        """The counters up to now, the device's included."""
        device, collected = self._device, self._collected
        self.display.late.look(self._clock.now_ns())
        if device is not None:
            collected.commands = self._past.commands + device.commands
            collected.errors = self._past.errors + device.errors
            collected.bytes["transfer"] = self._past.transfer_bytes + device.transfer_bytes
            collected.bytes["cursor"] = self._past.cursor_bytes + device.cursor_bytes
            collected.host_memory_bytes = device.host_memory_bytes
        if self._tap is not None:
            collected.bytes["readback"] = self._tap.copied_bytes
        return collected

    def next_presented(self) -> Fence:
        """A fence that signals, with the time, when a frame of the guest is on a screen next.

        A callback may wait for it, a coroutine (`virtio.fence.aio.wait`) or another process, which gets
        `SyncFile.from_fence(attachment.next_presented())`, a descriptor that polls readable then. When the
        guest goes away first, the fence ends with -ENODEV.
        """
        fence = Fence(producer=Producer("presented", self.name))

        def hear(_scanout: str, feedback: Feedback) -> None:
            if isinstance(feedback, Presented):
                self.display.listeners.remove(hear)
                self._awaited.remove(fence)
                fence.signal(now_ns=feedback.time_ns)

        self._awaited.append(fence)
        self.display.listeners.append(hear)
        return fence

    def outputs_changed(self) -> None:
        """An output was plugged, unplugged or switched to another mode: tell the guest, if it is its own."""
        if self.display.outputs_changed() and self._device is not None:
            self._device.display_changed()

    def put(self, scanout_id: int, place: Placement) -> None:
        """Let one of the guest's scanouts appear elsewhere, at any time.

        Raises:
            BadInput: The placement is impossible, or there is no such scanout; nothing has changed.
        """
        self.display.check_put(scanout_id, place)
        if self._tap is not None:
            self._tap.put(scanout_id, place)
        self.display.heads[scanout_id].put(place)
        self.outputs_changed()

    def raise_to_top(self, scanout_id: int = 0) -> None:
        """Put a scanout above all others.

        Raises:
            BadInput: There is no such scanout.
        """
        self.put(scanout_id, self.display.on_top(scanout_id))

    def fail(self, error: Exception) -> None:
        """Something went wrong in the guest's turn: end it, with one line; the machine goes on."""
        if self.failure is None:
            self.failure = GuestFailed(f"{self.name} was ended: {one_line(error)}")
            self.failure.__cause__ = error
            self.display.report(str(self.failure))
            self._end()

    async def close(self) -> None:
        """End the guest and take it off the screens."""
        if isinstance(self.ended, asyncio.Task):
            self.ended.cancel()
            await asyncio.wait([self.ended])
        await self._resources.aclose()
        if self._tap is not None:
            self._tap.gone()
        self.display.close()
        awaited, self._awaited = self._awaited, []
        for fence in awaited:
            fence.signal(-errno.ENODEV)
