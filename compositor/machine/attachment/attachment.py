"""A guest attached to a machine: its display, its device, its statistics, and what ends with it."""

from __future__ import annotations

import asyncio
import errno
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from compositor.adapter.display import GuestDisplay, Placement
from compositor.adapter.late import Patience
from compositor.adapter.sync_policy import FOR_ANY_GUEST, SyncPolicy
from compositor.errors import BadInput, GuestFailed, Misuse
from compositor.machine.attachment.commands import CommandRoom
from compositor.machine.attachment.console import GuestConsole, WaitFor
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


class Attachment(CommandRoom):
    """What all kinds of guest have in common.

    Attributes:
        name: Unique on the machine.
        kind: "simulated", "uml", "qemu" or "vhost-user".
        ledger: What it uses of this machine, and may use.
        display: The guest's place on the screens.
        ended: Done when the guest has ended, with what it died of; None: it never does.
        failure: What went wrong in a turn of its own, and ended it.
        closed: Whether it was taken off the machine's screens.
        wait_for: The machine's `until`.
        relaunch: Boots it again; None: its owner is another.
        on_detach: Takes it off the machine's list.
        policies: The sync policies that a guest of this kind can live with.
        patience: How long a guest of this kind waits for a flush; None: for ever.
    """

    policies: Sequence[SyncPolicy] = FOR_ANY_GUEST
    patience: Patience | None = None
    wait_for: WaitFor
    relaunch: Callable[[], Awaitable[None]] | None = None
    on_detach: Callable[[], None]
    _console: GuestConsole | None = None

    def __init__(
        self,
        name: str,
        kind: str,
        tree: SceneTree,
        places: Sequence[Placement],
        clock: Clock,
        recorder: Recorder | None = None,
        ledger: Ledger | None = None,
        *,
        exact_damage: bool = False,
    ) -> None:
        self.name = name
        self.ledger = ledger or Ledger()
        self.kind = kind
        self._clock = clock
        self.ended: asyncio.Future[None] | None = None
        self.failure: GuestFailed | None = None
        self.closed = False
        self._end: Callable[[], object] = lambda: None  # ends it at once, or begins to
        self._told = False  # a run has heard of its end
        self._killed = False
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
        self.display.exact_damage = exact_damage
        self.display.late.patience = self.patience
        self._tap = (
            None if recorder is None else recorder.guest(name, kind, places, exact_damage=exact_damage)
        )
        self._device: GpuDevice | None = None
        self._past = DeviceStatistics()  # of devices that served this guest before
        self._copied_before = 0
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
    def device(self) -> GpuDevice | None:
        """The device that serves it, or served it last; None before the first."""
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
            collected.bytes["readback"] = self._tap.copied_bytes - self._copied_before
        return collected

    def start_over(self) -> None:
        """Count from 0."""
        if self._device is not None:
            commands, errors = Counter[str](), Counter[str]()
            commands.subtract(self._device.commands)
            errors.subtract(self._device.errors)
            self._past = DeviceStatistics(
                commands, errors, -self._device.transfer_bytes, -self._device.cursor_bytes
            )
        self._copied_before = 0 if self._tap is None else self._tap.copied_bytes
        self._collected.start_over()

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
                if not fence.signaled:  # else the guest was ended, and this was on its way
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
            self._nothing_comes()

    @property
    def has_ended(self) -> bool:
        """Whether the guest has ended by itself, or died."""
        return not self.closed and self.ended is not None and self.ended.done()

    def hear_of_end(self) -> BaseException | None:
        """For a run, of a guest that has ended: what it died of, if that was not heard of before."""
        told, self._told = self._told, True
        died_of = self.died_of
        return None if told else died_of

    @property
    def died_of(self) -> BaseException | None:
        """What it died of, if it did, and was not killed."""
        if self._killed or self.ended is None or not self.ended.done() or self.ended.cancelled():
            return None
        return self.ended.exception()

    @property
    def pid(self) -> int | None:
        """Its process, if the machine started one, and that runs."""
        return None

    @property
    def console(self) -> GuestConsole:
        """What it prints.

        Raises:
            BadInput: It has no console: it is simulated in this process, or a VMM of its own.
        """
        if self._console is None:
            raise BadInput(f"{self.name} has no console; a ProcessGuest, a UmlGuest and a QemuGuest have one")
        return self._console

    def kill(self) -> None:
        """End the guest at once, in the middle of whatever it does, at any time; the machine goes on.

        Its picture goes when its device has noticed. No run fails of it; `until(lambda: guest.has_ended)`
        waits for it, `restart` boots it again.
        """
        if not (self.closed or self.has_ended):
            self._killed = True
            self._kill()

    async def restart(self) -> None:
        """Boot the guest again, in its place, whether it runs or has ended.

        A process begins anew; a guest that is simulated in this process goes on with its next frame.

        Raises:
            BadInput: It is a VMM that the machine did not start.
            Misuse: It was closed, or detached.
            ScanoutError: It cannot be started; the message says why.
        """
        if self.closed:
            raise Misuse(f"{self.name} was detached; attach it again")
        if self.relaunch is None:
            raise BadInput(f"{self.name} is a VMM that this machine did not start: start it again yourself")
        self._killed = self._told = False
        await self.relaunch()

    async def detach(self) -> None:
        """End the guest, and take it off the screens and the machine's list; once more does nothing."""
        await self.close()
        self.on_detach()

    # What it is about, for messages.

    @property
    def frames(self) -> Mapping[str, int]:
        """How many frames were "submitted", "presented", "discarded" and so on."""
        return self._collected.frames

    @property
    def last_command(self) -> str | None:
        """The name of the command that its device got last."""
        return None if self._device is None else self._device.last_command

    @property
    def awaited(self) -> list[tuple[Fence, int]]:
        """The fences that its flushes wait for, each with the time of the flush, ns."""
        return [
            (flip.answer, flip.flushed_ns)
            for head in self.display.heads
            for flip in head.flips.outstanding
            if flip.answer is not None and not flip.answer.signaled
        ]

    @property
    def waits(self) -> bool:
        """Whether its device owes it an answer."""
        return self._device is not None and bool(self._device.parked)

    @property
    def last_words(self) -> str:
        """The last line of its console; empty where it has none."""
        return "" if self._console is None else "".join(self._console.last_lines[-1:])

    @property
    def how_it_ended(self) -> str:
        """In words."""
        if self._killed:
            return "it was killed"
        if self.died_of is not None:
            return f"it died: {self.died_of}"
        if self.has_ended:
            return "it has switched itself off"
        return "it was closed" if self.closed else "it runs"

    def _kill(self) -> None:
        """As `kill`, of a guest that runs."""
        raise NotImplementedError

    async def _end_all(self) -> None:
        """End its process and all that was opened for it."""
        if isinstance(self.ended, asyncio.Task):
            self.ended.cancel()
            await asyncio.wait([self.ended])
            if not self.ended.cancelled():
                self.ended.exception()  # maybe no run is left that asks
        resources, self._resources = self._resources, AsyncExitStack()
        await resources.aclose()

    def __repr__(self) -> str:
        shown = self.frames["presented"]
        return f"<guest {self.name} ({self.kind}): {shown} frames presented, {self.how_it_ended}>"

    async def close(self) -> None:
        """End the guest and take it off the screens; once more does nothing."""
        if self.closed:
            return
        self.closed = True
        await self._end_all()
        if self._tap is not None:
            self._tap.gone()
        self.display.close()
        self._nothing_comes()

    def _nothing_comes(self) -> None:
        """No frame of the guest will be presented any more."""
        awaited, self._awaited = self._awaited, []
        for fence in awaited:
            fence.signal(-errno.ENODEV)
