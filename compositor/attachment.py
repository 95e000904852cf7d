"""A guest attached to a machine: its display, its device, its statistics, and what ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from compositor.frame_clock import VblankGrid
from compositor.observe.statistics import GuestStatistics
from compositor.record.recorder import Recorder
from compositor.scanout import GuestDisplay, Placement
from compositor.scene_tree import SceneTree
from compositor.sync.policy import FOR_ANY_GUEST, SyncPolicy
from guest.gpu_loop import GpuLoop
from guest.linux.errors import GuestDied
from guest.linux.options import VirtualTime
from guest.linux.process import GuestProcess
from guest.process import ProcessGuest
from guest.real import Echo, LinuxGuest
from guest.render_loop import RenderLoop
from guest.simulated import SimulatedGuest
from guest.workloads.stamp import read_stamp
from virtio.clock import Clock
from virtio.clock.calendar import Cancellable
from virtio.clock.pace import CalendarPace
from virtio.clock.time_travel import TimeTravel
from virtio.clock.time_travel_server import TimeTravelServer
from virtio.errors import ScanoutError
from virtio.gpu.device import GpuDevice
from virtio.gpu.statistics import Statistics as DeviceStatistics
from virtio.memory import sigbus
from virtio.vhost_user.server import VhostUserServer

Report = Callable[[str], None]
Notice = Callable[[], None]

# Characters of a console that are looked through for a text.
_REMEMBERED = 4096


class Attachment:
    """What all kinds of guest have in common.

    Attributes:
        name: Unique on the machine.
        kind: "simulated", "uml", "qemu" or "vhost-user".
        display: The guest's place on the screens.
        ended: Done when the guest has ended by itself, with what it died of; None: it never does.
        policies: The sync policies that a guest of this kind can live with.
    """

    policies: Sequence[SyncPolicy] = FOR_ANY_GUEST

    def __init__(
        self,
        name: str,
        kind: str,
        tree: SceneTree,
        places: Sequence[Placement],
        clock: Clock,
        recorder: Recorder | None = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.ended: asyncio.Task[None] | None = None
        self._collected = GuestStatistics(name, kind)
        self.display = GuestDisplay(
            name,
            tree,
            places,
            statistics=self._collected,
            now_ns=clock.now_ns,
            read_stamp=read_stamp,
            call_at=clock.call_at,
        )
        self._tap = None if recorder is None else recorder.guest(name, kind, places)
        self._device: GpuDevice | None = None
        self._past = DeviceStatistics()  # of devices that served this guest before
        self._resources = AsyncExitStack()

    def make_device(self) -> GpuDevice:
        """A fresh device on this guest's display; what the last one counted is kept."""
        if self._device is not None:
            self._past.commands += self._device.commands
            self._past.errors += self._device.errors
            self._past.transfer_bytes += self._device.transfer_bytes
        self._device = GpuDevice(self.display, host_memory=self.kind == "simulated")
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
        if device is not None:
            collected.commands = self._past.commands + device.commands
            collected.errors = self._past.errors + device.errors
            collected.bytes["transfer"] = self._past.transfer_bytes + device.transfer_bytes
            collected.host_memory_bytes = device.host_memory_bytes
        return collected

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

    async def close(self) -> None:
        """End the guest and take it off the screens."""
        if self.ended is not None:
            self.ended.cancel()
            await asyncio.wait([self.ended])
        await self._resources.aclose()
        if self._tap is not None:
            self._tap.gone()
        self.display.close()


class SimulatedAttachment(Attachment):
    """A guest in this process, drawing a frame at every refresh of its first output, or at its own pace."""

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
        self._guest = guest
        self._clock = clock
        self._tree = tree
        self._next: Cancellable | None = None
        self._asleep = False
        self._resources.callback(self._stop)
        self.display.policy = SyncPolicy(guest.sync)
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
        self._guest.set_sync(self.sync)

    def statistics(self) -> GuestStatistics:
        """As `Attachment.statistics`, the GPU's included, and what was copied out of its memory."""
        collected = super().statistics()
        if self._guest.has_gpu:
            renderer = self._guest.renderer
            collected.gpu = renderer.as_dict()
            collected.bytes["migrate"] = renderer.migrated_bytes
        return collected

    def _draw_at_its_own_pace(self) -> RenderLoop | GpuLoop | None:
        if self._guest.has_gpu:
            return GpuLoop(self._guest, self._clock)
        return RenderLoop(self._guest, self._clock) if self._guest.render_ns else None

    def _tick(self) -> None:
        """Draw, and come back at the next vblank: behind the repaint there, which drawing has scheduled."""
        self._guest.frame_tick()
        self._asleep = self._guest.finished
        if not self._asleep:
            self._next = self._clock.call_at(self._grid().next_vblank_ns(), self._tick)

    def _wake(self) -> None:
        """Another mode may want to be drawn for by a guest that had finished; not inside of this call."""
        if self._asleep and not self._guest.finished:
            self._asleep = False
            self._next = self._clock.call_at(self._clock.now_ns(), self._tick)

    def _grid(self) -> VblankGrid:
        """The vblanks of the output that it is on, or of the first of several."""
        return self._tree.presenters[self.display.heads[0].place.output or 0].grid

    def _stop(self) -> None:
        if self._next is not None:
            self._next.cancel()
        if self._loop is not None:
            self._loop.close()
        self._guest.close()


@dataclass(frozen=True, slots=True)
class Seat:
    """A guest's place on a calendar of virtual time.

    Attributes:
        kernel: The guest's kernel, which is expected there.
        pace: Of its device.
        seed: Of all that is random in the guest; not 0.
        on_fault: Told when the guest breaks the rules of virtual time.
    """

    kernel: TimeTravel
    pace: CalendarPace
    seed: int
    on_fault: Callable[[ScanoutError], None]


class ServedAttachment(Attachment):
    """A guest behind a vhost-user socket, and the process that we started for it, if we did."""

    def listen(self, path: Path, *, once: bool, report: Report, seat: Seat | None = None) -> None:
        """Open the socket; with `once` the guest has ended when the first VMM has gone.

        Raises:
            Misuse: It cannot be opened; the message says why.
        """
        self._away = asyncio.Event()
        self._away.set()
        server = VhostUserServer(
            path,
            self.make_device,
            once=once,
            on_error=report,
            on_connect=lambda _device: self._away.clear(),
            on_disconnect=lambda _device: self._away.set(),
            inband=seat is not None,
            pace=None if seat is None else seat.pace,
        )
        server.start()
        self._resources.callback(server.close)
        if once and seat is None:
            self.ended = asyncio.create_task(server.wait_closed())

    def keep_time(self, seat: Seat, path: Path) -> None:
        """Be the calendar, too, for a kernel that somebody else starts; it has ended when it has gone.

        Raises:
            Misuse: The socket cannot be opened; the message says why.
        """
        gone = asyncio.Event()
        self._expect(seat, path, on_end=gone.set)

        async def until_gone() -> None:
            await gone.wait()
            await self._away.wait()
            seat.kernel.participant.leave()

        self.ended = asyncio.create_task(until_gone())

    async def launch(
        self,
        guest: LinuxGuest | ProcessGuest,
        *,
        echo: Echo,
        report: Report,
        on_picture: Notice,
        seat: Seat | None = None,
    ) -> None:
        """Start the guest's process on a socket of its own; `ended` is done when it has ended.

        Args:
            guest: What to start.
            echo: Called with its console's text.
            report: Gets one line for everything that goes wrong and is dealt with.
            on_picture: Called when the guest says that its picture stays as it is.
            seat: Its place on the calendar; None: it keeps its own time.

        Raises:
            ScanoutError: It cannot be started.
        """
        directory = Path(self._resources.enter_context(TemporaryDirectory(prefix="scanout-")))
        workdir = directory / "guest"
        workdir.mkdir()
        self.listen(directory / "gpu", once=False, report=report, seat=seat)
        seen = ""

        def listen(text: str) -> None:
            nonlocal seen
            echo(text)
            if guest.final_picture is not None:
                seen = (seen + text.replace("\r", ""))[-_REMEMBERED:]
                if guest.final_picture in seen:
                    seen = ""
                    on_picture()

        time = None
        if seat is not None:
            # When it has gone, time stands still until `_until_ended` knows why.
            self._expect(seat, directory / "time", on_end=lambda: None)
            time = VirtualTime(directory / "time", seat.seed)
        process = await guest.launch(directory / "gpu", workdir, listen, time)
        self._resources.push_async_callback(process.stop)
        self.ended = asyncio.create_task(self._until_ended(process, seat))

    def _expect(self, seat: Seat, path: Path, *, on_end: Notice) -> None:
        """Let the kernel come for its time."""
        server = TimeTravelServer(path, seat.kernel, on_fault=seat.on_fault, on_end=on_end)
        # The guest's memory will need it, and while the kernel boots we have nothing else to do.
        seat.kernel.on_started = partial(_soon, sigbus.prepare)
        self._resources.callback(seat.kernel.close)
        self._resources.callback(server.close)

    async def _until_ended(self, process: GuestProcess, seat: Seat | None) -> None:
        status = await process.wait()
        if seat is not None:
            await self._away.wait()  # what its end means to the screens belongs to this moment, too
            seat.kernel.participant.leave()
        if status:
            last = process.console.last_lines(1)
            how = f"exited with status {status}" if status > 0 else f"was killed by signal {-status}"
            raise GuestDied(f"{self.name}: its program {how}: {last}", status=status, console=last)


def _soon(work: Notice) -> None:
    asyncio.get_running_loop().call_soon(work)
