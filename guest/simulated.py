"""A simulated guest: the smallest honest one.

It has memory of its own, a driver that writes rings into it, framebuffers on its scattered pages, and a
workload that draws into them. The host maps the same pages, so no pixel is copied on the way.

Sans-IO: `guest.draw_loop` has it draw when a run's clock says so. Without a clock, `frame_tick` draws a frame
and polls the device, so that everything that a frame brings has happened when that call returns; what the
device says later waits for the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from guest.bare import BareGuest
from guest.driver import GpuDriver, GuestRam
from guest.driver.framebuffer import Framebuffer
from guest.driver.kms import MakeFramebuffer
from guest.flips import Flips
from guest.gpu import Gpu, GpuSlot
from guest.memory import DEFAULT_SIZE, PAGE
from guest.picture import SMALLEST, Picture, ShownPicture
from guest.renderer import Renderer
from guest.workloads import Workload, create_workload
from guest.workloads.find import Shown, find_workload
from guest.workloads.workload import format_of
from virtio.arguments import check_type, check_whole, shown
from virtio.clock import Clock
from virtio.errors import Misuse, ScanoutError
from virtio.gpu.formats import BYTES_PER_PIXEL
from virtio.memory import GuestMemory

_REST = 1 << 21  # bytes of guest memory for rings, requests, and lists of pages


class SimulatedGuest(BareGuest):
    """One virtual machine that shows one workload or picture on its first scanout; context manager.

    `attach` plugs a device in, `start` boots, `frame_tick` draws; `close` takes everything back.

    Attributes:
        kind: "simulated".
        name: As given; the workload's name when none was.
        sync: As given.
        workload: What it draws.
        flips: What it shows, and how it flips that.
        frames_missed: Ticks that found no buffer free.
        render_ns: As given.
        patience_ns: As given.
        flush_early: As given.
        on_fault: Called with one line for what goes wrong inside, and is dealt with there.
    """

    exact_damage = True

    def __init__(
        self,
        workload: Shown,
        *,
        arguments: Mapping[str, Any] | None = None,
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
            workload: A workload, or the name of one: one that ships, that of an installed package, or
                `module:Class`. Or a function `draw(frame, canvas)` (see `guest.workloads.drawing.Draw`), a
                `Picture`, or the path of a PNG. A picture has its own size, and is drawn when it changes.
            arguments: Keyword arguments for the class `module:Class`, or for the PNG's `Picture`.
            size: (width, height) of its framebuffers; None follows the display's preferred mode.
            seed: Of everything random: the workload, and where its pages lie. None takes what `attach`
                is given.
            name: For people and statistics.
            sync: "release": a page flip is complete, and the buffer shown before it free, when the
                fence of its flush came back, as in Linux; for "none" and "blocking" it is only the host
                that behaves differently. "queue": two flips at a time. "out-fence": the buffer comes back by
                a fence of its own. The host has to follow the same policy.
            memory: Guest memory in bytes; what is not used costs nothing. The default grows with a picture.
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
            Misuse: An argument is of another type or below its least; there is no such workload or kind of
                synchronisation; both `gpu` and `render_ns`; one of
                them, `size` or `frames` with a picture, or too little memory for it.
        """
        _check(size, seed, {"render_ns": render_ns, "patience_ns": patience_ns, "frames": frames}, buffers)
        if gpu is not None and render_ns:
            raise Misuse("a guest draws on its gpu or for render_ns, not both")
        found = find_workload(workload, seed or 0, arguments)
        if isinstance(found, Picture):
            if gpu is not None or render_ns or size is not None or frames is not None:
                raise Misuse(
                    f"{found.name}: a picture has its own size and is drawn when it changes: size, frames, "
                    "gpu and render_ns do not go with it"
                )
            memory = _memory_of(found, memory, buffers)
            self.flips = _flips_of(found, sync, buffers)
            self.workload: Workload = ShownPicture(found, self.flips.redraw)
        else:
            self.flips = Flips(sync, size, frames, buffers)
            self.workload = found
        super().__init__(name or found.name, sync=sync, seed=seed, memory=memory)
        named = isinstance(workload, str) and not isinstance(found, Picture)
        self._named = (str(workload), arguments) if named else None
        self.render_ns, self.patience_ns, self.flush_early = render_ns, patience_ns, flush_early
        self.frames_missed = 0
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
    def size(self) -> tuple[int, int] | None:
        """(width, height) of what it shows; None when it shows nothing."""
        return self.flips.size

    def set_sync(self, sync: str) -> None:
        """See `Flips.set_sync`."""
        super().set_sync(sync)
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
        damage = self.workload.draw(flips.submitted, buffer.pixels)
        flips.flip(buffer, rectangles=damage)
        return True

    def _prepare(self, ram: GuestRam, seed: int, clock: Clock | None) -> GuestMemory:
        if isinstance(self.workload, ShownPicture):
            self.workload.follow()
        if self._named is not None:
            name, arguments = self._named
            self.workload = create_workload(name, seed, arguments)
        if self._slot is None:
            return ram.memory
        self._renderer = self._open_gpu(self._slot, ram, clock)
        return self._renderer.memory

    def _drive(self, driver: GpuDriver) -> None:
        make: MakeFramebuffer = Framebuffer if self._renderer is None else self._renderer.make_framebuffer
        if isinstance(self.workload, ShownPicture):
            picture = self.workload.picture
            make = partial(Framebuffer, stride=picture.stride, blob=picture.resource == "blob")
        self.flips.plug(driver, format_of(self.workload), make)
        driver.on_ready, driver.on_display_change = self.flips.follow, self._change_mode

    def _drop(self) -> None:
        self.flips.drop()

    def _clear(self) -> None:
        if isinstance(self.workload, ShownPicture):
            self.workload.leave()
        renderer, self._renderer = self._renderer, None
        if renderer is not None:
            renderer.close()

    def _open_gpu(self, slot: GpuSlot, ram: GuestRam, clock: Clock | None) -> Renderer:
        if clock is None:
            raise Misuse(
                f"guest {self.name} draws on a GPU, which needs the run's clock: attach(..., clock=)"
            )
        renderer = Renderer(slot, self.workload, ram, clock, self.name)
        renderer.driver.on_fault = lambda fault: self.on_fault(f"{fault.name}: {fault}")
        return renderer

    def _change_mode(self) -> None:
        """Follow the display while the guest runs: one without memory for the new mode shows nothing."""
        try:
            self.flips.follow()
        except ScanoutError as error:
            self.on_fault(f"shows nothing any more: {error}")


def _check(size: object, seed: object, counts: Mapping[str, object], buffers: object) -> None:
    """Refuse arguments of another type, and numbers below their least, before anything is made of them."""
    if size is not None and not _is_size(size):
        raise Misuse(f"size={shown(size)}: (width, height) in pixels, or None, is needed")
    if seed is not None:
        check_type("seed", seed, int, "a whole number, or None,")
    for name, count in counts.items():
        if count is not None:
            check_whole(name, count)
    check_whole("buffers", buffers)


def _is_size(size: object) -> bool:
    return (
        isinstance(size, tuple)
        and len(size) == 2
        and all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in size)
    )


def _flips_of(picture: Picture, sync: str, buffers: int) -> Flips:
    """One frame, whenever there is something new."""
    smallest = (SMALLEST, SMALLEST)
    return Flips(sync, picture.size, 1, buffers, smallest, copied=picture.resource == "2d")


def _memory_of(picture: Picture, memory: int, buffers: int) -> int:
    """Guest memory in bytes that holds its framebuffers, of which there are three at most by themselves.

    Raises:
        Misuse: What was asked for, other than the default, does not.
    """
    stride = picture.stride or picture.size[0] * BYTES_PER_PIXEL
    needed = max(buffers, 3) * (stride * picture.size[1] + PAGE) + _REST
    if memory >= needed:
        return memory
    if memory != DEFAULT_SIZE:
        raise Misuse(f"{picture.name}: memory={memory}: its guest needs {needed} bytes")
    return -(-needed // (2 * PAGE)) * 2 * PAGE
