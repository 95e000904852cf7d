"""A guest attached to a machine: its display, its device, its statistics, and what ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from compositor.observe.statistics import GuestStatistics
from compositor.presenter import Presenter
from compositor.scanout import GuestDisplay, Placement
from guest.linux.errors import GuestDied
from guest.linux.process import GuestProcess
from guest.real import Echo, LinuxGuest
from guest.simulated import SimulatedGuest
from guest.workloads.stamp import read_stamp
from virtio.clock import Clock
from virtio.clock.calendar import Cancellable
from virtio.gpu.device import GpuDevice
from virtio.gpu.statistics import Statistics as DeviceStatistics
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
    """

    def __init__(
        self, name: str, kind: str, presenters: Sequence[Presenter], places: Sequence[Placement], clock: Clock
    ) -> None:
        self.name = name
        self.kind = kind
        self.ended: asyncio.Task[None] | None = None
        self._collected = GuestStatistics(name, kind)
        self.display = GuestDisplay(
            name,
            presenters,
            places,
            statistics=self._collected,
            now_ns=clock.now_ns,
            read_stamp=read_stamp,
        )
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
        return self._device

    def statistics(self) -> GuestStatistics:
        """The counters up to now, the device's included."""
        device, collected = self._device, self._collected
        if device is not None:
            collected.commands = self._past.commands + device.commands
            collected.errors = self._past.errors + device.errors
            collected.bytes["transfer"] = self._past.transfer_bytes + device.transfer_bytes
            collected.host_memory_bytes = device.host_memory_bytes
        return collected

    def display_changed(self) -> None:
        """An output that the guest is on was plugged, unplugged or switched to another mode: tell it."""
        if self._device is not None:
            self._device.display_changed()

    async def close(self) -> None:
        """End the guest and take it off the screens."""
        if self.ended is not None:
            self.ended.cancel()
            await asyncio.wait([self.ended])
        await self._resources.aclose()
        self.display.close()


class SimulatedAttachment(Attachment):
    """A guest in this process, drawing a frame at every refresh of its first output."""

    def __init__(
        self,
        guest: SimulatedGuest,
        name: str,
        presenters: Sequence[Presenter],
        places: Sequence[Placement],
        clock: Clock,
        seed: int,
    ) -> None:
        super().__init__(name, "simulated", presenters, places, clock)
        self._guest = guest
        self._clock = clock
        self._grid = presenters[places[0].output].grid
        self._next: Cancellable | None = None
        self._resources.callback(self._stop)
        guest.attach(self.make_device(), default_seed=seed)
        guest.start()
        self._tick()

    def _tick(self) -> None:
        """Draw, and come back at the next vblank: behind the repaint there, which drawing has scheduled."""
        self._guest.frame_tick()
        self._next = self._clock.call_at(self._grid.next_vblank_ns(), self._tick)

    def _stop(self) -> None:
        if self._next is not None:
            self._next.cancel()
        self._guest.close()


class ServedAttachment(Attachment):
    """A guest behind a vhost-user socket, and the process that we started for it, if we did."""

    def listen(self, path: Path, *, once: bool, report: Report) -> None:
        """Open the socket; with `once` the guest has ended when the first VMM has gone.

        Raises:
            Misuse: It cannot be opened; the message says why.
        """
        server = VhostUserServer(path, self.make_device, once=once, on_error=report)
        server.start()
        self._resources.callback(server.close)
        if once:
            self.ended = asyncio.create_task(server.wait_closed())

    async def launch(self, guest: LinuxGuest, *, echo: Echo, report: Report, on_picture: Notice) -> None:
        """Start the guest's process on a socket of its own; `ended` is done when it has ended.

        Args:
            guest: What to start.
            echo: Called with its console's text.
            report: Gets one line for everything that goes wrong and is dealt with.
            on_picture: Called when the guest says that its picture stays as it is.

        Raises:
            ScanoutError: It cannot be started.
        """
        directory = Path(self._resources.enter_context(TemporaryDirectory(prefix="scanout-")))
        workdir = directory / "guest"
        workdir.mkdir()
        self.listen(directory / "gpu", once=False, report=report)
        seen = ""

        def listen(text: str) -> None:
            nonlocal seen
            echo(text)
            if guest.final_picture is not None:
                seen = (seen + text.replace("\r", ""))[-_REMEMBERED:]
                if guest.final_picture in seen:
                    seen = ""
                    on_picture()

        process = await guest.launch(directory / "gpu", workdir, listen)
        self._resources.push_async_callback(process.stop)
        self.ended = asyncio.create_task(self._until_ended(process))

    async def _until_ended(self, process: GuestProcess) -> None:
        status = await process.wait()
        if status:
            last = process.console.last_lines(1)
            how = f"exited with status {status}" if status > 0 else f"was killed by signal {-status}"
            raise GuestDied(f"{self.name}: its program {how}: {last}", status=status, console=last)
