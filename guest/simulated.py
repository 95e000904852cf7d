"""A simulated guest: the smallest honest one.

It has memory of its own, a driver that writes rings into it, framebuffers on its scattered pages, and a
workload that draws into them. The host maps the same pages, so no pixel is copied on the way.

Sans-IO: `guest.draw_loop` has it draw when a run's clock says so. Without a clock, `frame_tick` draws a frame
and polls the device, so that everything that a frame brings has happened when that call returns; what the
device says later waits for the next one.
"""

from __future__ import annotations

from collections.abc import Callable

from guest.driver import GpuDriver, GuestRam
from guest.driver.framebuffer import Framebuffer
from guest.driver.transport import Transport
from guest.flips import Flips
from guest.gpu import Gpu, GpuSlot
from guest.memory import DEFAULT_SIZE
from guest.renderer import Renderer
from guest.workloads import Workload, create_workload
from virtio.clock import Clock
from virtio.closing import Closing
from virtio.device import Device
from virtio.errors import Misuse, ScanoutError
from virtio.gpu.formats import Format
from virtio.inproc import InProcessTransport
from virtio.memory import GuestMemory


class SimulatedGuest(Closing):
    """One virtual machine that shows one workload on its first scanout; context manager.

    `attach` plugs a device in, `start` boots, `frame_tick` draws; `close` takes everything back.

    Attributes:
        kind: "simulated".
        name: As given; the workload's name when none was.
        workload: What it draws.
        flips: What it shows, and how it flips that.
        frames_missed: Ticks that found no buffer free.
        render_ns: As given.
        patience_ns: As given.
        flush_early: As given.
        on_fault: Called with one line for what goes wrong inside, and is dealt with there.
    """

    kind = "simulated"

    def __init__(
        self,
        workload: str | Workload,
        *,
        size: tuple[int, int] | None = None,
        seed: int | None = None,
        name: str | None = None,
        sync: str = "release",
        memory: int = DEFAULT_SIZE,
        render_ns: int = 0,
        patience_ns: int | None = None,
        gpu: Gpu | GpuSlot | None = None,
        flush_early: bool = False,
        frames: int | None = None,
        buffers: int = 2,
    ) -> None:
        """Describe the guest; nothing is allocated before `attach`.

        Args:
            workload: A workload, or the name of one.
            size: (width, height) of its framebuffers; None follows the display's preferred mode.
            seed: Of everything random: the workload, and where its pages lie. None takes what `attach`
                is given.
            name: For people and statistics.
            sync: "release": a page flip is complete, and the buffer shown before it free, when the
                fence of its flush came back, as in Linux; for "none" and "blocking" it is only the host
                that behaves differently. "queue": two flips at a time. "out-fence": the buffer comes back by
                a fence of its own. The host has to follow the same policy.
            memory: Guest memory in bytes; what is not used costs nothing.
            render_ns: How long it draws, from the completion of a flip on (see `guest.render_loop`); 0: no
                time at all, once in every refresh of its display.
            patience_ns: How long it waits for the fence of a flip before it goes on without; Linux 50 ms.
                None: for ever. Only with `render_ns`.
            gpu: What it draws on, alone or with others: rendering then takes the time that the GPU takes,
                from one flip to the next. None: its processor, which takes `render_ns`.
            flush_early: A fault: with a GPU, do not wait for it before a frame is flushed.
            frames: How many it draws for each mode of its display; then its picture stands still, and it
                sleeps. None: without end.
            buffers: Framebuffers that it flips, if that is more than its kind of synchronisation needs.

        Raises:
            Misuse: There is no such workload or kind of synchronisation, or both `gpu` and `render_ns`.
        """
        if gpu is not None and render_ns:
            raise Misuse("a guest draws on its gpu or for render_ns, not both")
        self.flips = Flips(sync, size, frames, buffers)
        self.workload = create_workload(workload, seed or 0) if isinstance(workload, str) else workload
        self.name = name or self.workload.name
        self.render_ns, self.patience_ns, self.flush_early = render_ns, patience_ns, flush_early
        self.on_fault: Callable[[str], None] = lambda _line: None
        self.frames_missed = 0
        self._seed, self._memory = seed, memory
        self._by_name = isinstance(workload, str)
        self._parts: tuple[GuestRam, Transport, GpuDriver] | None = None
        self._slot = gpu.slot() if isinstance(gpu, Gpu) else gpu
        self._renderer: Renderer | None = None

    def __repr__(self) -> str:
        return f"<SimulatedGuest {self.name}, workload {self.workload.name}, {self.frames_submitted} frames>"

    @property
    def has_gpu(self) -> bool:
        """Whether it draws on a GPU."""
        return self._slot is not None

    @property
    def renderer(self) -> Renderer:
        """Its GPU's driver and what it draws there.

        Raises:
            Misuse: It has no GPU, or no device is attached.
        """
        if self._renderer is None:
            raise Misuse(f"guest {self.name} has no GPU that runs; give it one, and attach a device")
        return self._renderer

    @property
    def driver(self) -> GpuDriver:
        """Its virtio-gpu driver: command counts, errors, state.

        Raises:
            Misuse: No device is attached.
        """
        return self._attached()[2]

    @property
    def transport(self) -> Transport:
        """What its device is plugged into.

        Raises:
            Misuse: No device is attached.
        """
        return self._attached()[1]

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) of what it shows; None when it shows nothing."""
        return self.flips.size

    @property
    def sync(self) -> str:
        """What the host's flushes wait for."""
        return self.flips.sync

    def set_sync(self, sync: str) -> None:
        """See `Flips.set_sync`."""
        self.flips.set_sync(sync)

    @property
    def frames_submitted(self) -> int:
        """Frames drawn and flipped; also the number of the next frame."""
        return self.flips.submitted

    @property
    def finished(self) -> bool:
        """Whether it has drawn all that it wants to."""
        return self.flips.finished

    @property
    def refresh_mhz(self) -> int:
        """The rate at which its display wants frames, in thousandths of a hertz, from its EDID."""
        return self.driver.scanouts[0].refresh_mhz

    def attach(self, device: Device, *, default_seed: int = 0, clock: Clock | None = None) -> None:
        """Give the guest its memory, and plug `device` in, which is in this process.

        Args:
            device: No driver drives it yet.
            default_seed: For a guest that was given none of its own.
            clock: The run's, which delivers what guest and device say to each other; None: it is delivered
                by `start` and `frame_tick`. A guest with a GPU needs one.

        Raises:
            Misuse: It has a device already, or its GPU has no clock or no room for it.
        """
        self.plug(
            lambda memory: InProcessTransport(device, memory, clock), default_seed=default_seed, clock=clock
        )

    def plug(
        self,
        connect: Callable[[GuestMemory], Transport],
        *,
        default_seed: int = 0,
        clock: Clock | None = None,
    ) -> None:
        """Give the guest its memory, and a device over any transport.

        Args:
            connect: Makes the transport, given the memory; the guest closes it.
            default_seed: For a guest that was given none of its own.
            clock: The run's; a guest with a GPU needs it.

        Raises:
            Misuse: It has a device already, or its GPU has no clock or no room for it.
        """
        if self._parts is not None:
            raise Misuse(f"guest {self.name} has a device already; close it first")
        seed = default_seed if self._seed is None else self._seed
        if self._by_name:
            self.workload = create_workload(self.workload.name, seed)
        ram = GuestRam(self._memory, seed=seed, name=self.name)
        try:
            self._renderer = self._open_gpu(ram, clock)
            transport = connect(ram.memory if self._renderer is None else self._renderer.memory)
        except BaseException:
            self._close_gpu()
            ram.close()
            raise
        driver = GpuDriver(transport, ram)
        pixel_format = Format.B8G8R8X8 if self.workload.opaque else Format.B8G8R8A8
        make = Framebuffer if self._renderer is None else self._renderer.make_framebuffer
        self.flips.plug(driver, pixel_format, make)
        driver.on_ready, driver.on_display_change = self.flips.follow, self._change_mode
        self._parts = ram, transport, driver

    def start(self) -> None:
        """Boot: the driver probes the device, and sets its display's mode when that has answered.

        A device in this process has answered when the call returns. Once more reboots.

        Raises:
            Misuse: No device is attached.
            DeviceFault: The device refuses to be driven.
        """
        self.driver.close()  # first of all, for the device may still look at the buffers
        self.flips.drop()
        self.driver.probe()
        self.transport.poll()

    def frame_tick(self) -> bool:
        """It is time for a frame: draw and flip it, if a buffer is free; and poll the device.

        Returns:
            Whether a frame was flipped. False, too, while no display is plugged in or the device is lost.

        Raises:
            Misuse: No device is attached.
        """
        self.transport.poll()
        drawn = self.draw_frame()
        self.transport.poll()
        return drawn

    def draw_frame(self) -> bool:
        """Draw a frame in no time and flip it, if a buffer is free; otherwise count a missed one.

        Returns:
            Whether a frame was flipped.
        """
        flips = self.flips
        buffer = flips.begin()
        if buffer is None:
            self.frames_missed += flips.running() and not flips.finished
            return False
        self.workload.draw(flips.submitted, buffer.pixels)
        flips.flip(buffer)
        return True

    def close(self) -> None:
        """Switch it off: device reset, memory given back. Once more does nothing."""
        if self._parts is None:
            return
        ram, transport, driver = self._parts
        driver.close()
        self.flips.drop()
        self._close_gpu()
        transport.close()
        ram.close()
        self._parts = None

    def _attached(self) -> tuple[GuestRam, Transport, GpuDriver]:
        if self._parts is None:
            raise Misuse(f"guest {self.name} has no device; attach one first")
        return self._parts

    def _open_gpu(self, ram: GuestRam, clock: Clock | None) -> Renderer | None:
        if self._slot is None:
            return None
        if clock is None:
            raise Misuse(
                f"guest {self.name} draws on a GPU, which needs the run's clock: attach(..., clock=)"
            )
        renderer = Renderer(self._slot, self.workload, ram, clock, self.name)
        renderer.driver.on_fault = lambda fault: self.on_fault(f"{fault.name}: {fault}")
        return renderer

    def _close_gpu(self) -> None:
        renderer, self._renderer = self._renderer, None
        if renderer is not None:
            renderer.close()

    def _change_mode(self) -> None:
        """Follow the display while the guest runs: one without memory for the new mode shows nothing."""
        try:
            self.flips.follow()
        except ScanoutError as error:
            self.on_fault(f"shows nothing any more: {error}")
