"""What goes wrong with a guest: its processors, its device, its signals, its fences, its pages."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import numpy as np

from compositor.errors import BadInput
from compositor.faults.fences import Fate, KeptImages, failed, never
from compositor.faults.repaints import BeforeRepaints
from compositor.faults.script import (
    DelayFences,
    FailFences,
    FenceFault,
    InterruptFault,
    KickFault,
    LoseFences,
    LoseInterrupts,
    LoseKicks,
    ReorderInterrupts,
    ReorderKicks,
    Scribble,
)
from compositor.faults.signals import Call, Line, late, lost, overtaken
from compositor.machine.attachment import Attachment, ServedAttachment, SimulatedAttachment
from compositor.machine.presenter import Presenter
from guest.renderer import Renderer
from guest.simulated import SimulatedGuest
from virtio.clock import Calendar, Clock
from virtio.clock.guarded import GuardedClock
from virtio.errors import ScanoutError
from virtio.gpu.wire import CONTROL_QUEUE, CURSOR_QUEUE
from virtio.inproc import InProcessTransport
from virtio.vhost_user.messages import Request

Closer = Callable[[], object]

_MILLISECOND = 1_000_000
_QUEUES = {"control": CONTROL_QUEUE, "cursor": CURSOR_QUEUE}
_WITHOUT_END = 1 << 62


class KilledByScript(ScanoutError):
    """A guest was killed because a script says so."""


def nanoseconds(ms: float) -> int:
    """A duration of a script."""
    return round(ms * _MILLISECOND)


class GuestFaults:
    """Does to one guest what scripts say; what befalls its processors, outside of its device's turns.

    Args:
        attachment: The guest.
        clock: The run's.
    """

    def __init__(self, attachment: Attachment, clock: Clock) -> None:
        self.attachment = attachment
        self._clock = clock
        self._turns = GuardedClock(clock, attachment.fail)

    @property
    def gone(self) -> bool:
        """Whether it has ended."""
        ended = self.attachment.ended
        return self.attachment.failure is not None or (ended is not None and ended.done())

    def soon(self, action: Callable[[], object], delay_ns: int = 0) -> None:
        """Do something to the guest, unless it has ended by then."""

        def act() -> None:
            if not self.gone:
                action()

        self._turns.call_at(self._clock.now_ns() + delay_ns, act)

    # Its processors and its device.

    def kill(self) -> None:
        """Its machine is gone: no turn more, memory and screens are given back."""
        self._clock.call_at(self._clock.now_ns(), self._kill)

    def _kill(self) -> None:
        if not self.gone:
            self.attachment.fail(KilledByScript("killed by the script of faults"))

    def stall(self, ms: float) -> None:
        """Its processors stand still, and take what came meanwhile when they go on."""
        if isinstance(self.attachment, SimulatedAttachment):
            self.soon(partial(self._stall, self.attachment, nanoseconds(ms)))
            return
        process = self.attachment.process if isinstance(self.attachment, ServedAttachment) else None
        if process is None:
            raise BadInput(f"{self.attachment.name}: this machine did not start it, and cannot stop it")
        if isinstance(self._clock, Calendar):
            raise BadInput(
                f"{self.attachment.name}: time waits for it on the virtual clock; use the real one"
            )
        _signal(process.pid, signal.SIGSTOP)
        self._clock.call_at(
            self._clock.now_ns() + nanoseconds(ms), partial(_signal, process.pid, signal.SIGCONT)
        )

    def _stall(self, attachment: SimulatedAttachment, stall_ns: int) -> None:
        end_ns = self._clock.now_ns() + stall_ns

        def held(line: Line, call: Call) -> None:
            line.later(max(0, end_ns - self._clock.now_ns()), call)

        line = Line(self._turns, _WITHOUT_END, held)
        for name in ("on_interrupt", "on_config_change"):
            line.listen(attachment.guest.transport, name)
        guest = self._animated()
        if guest.has_gpu:
            line.listen(guest.renderer.driver, "interrupted")
        attachment.stop()

        def go_on() -> None:
            line.close()
            attachment.go_on()

        self._clock.call_at(end_ns, go_on)

    def reboot(self, ms: float) -> None:
        """Its driver resets the device, and takes it over again after some time."""
        guest = self._animated()

        def reset() -> None:
            guest.driver.close()
            guest.flips.drop()
            self.soon(guest.start, nanoseconds(ms))

        self.soon(reset if ms else guest.start)

    def break_device(self) -> None:
        """Its device needs a reset."""
        transport = self._simulated().guest.transport
        assert isinstance(transport, InProcessTransport)
        self.soon(partial(transport.fail, "the script of faults has it need a reset"))

    # Its signals and fences.

    def kicks(self, fault: KickFault) -> Closer:
        """Kicks are lost, late, or out of order."""
        queue = _QUEUES[fault.queue]
        line = Line(self._turns, fault.count, _fate(fault))
        line.listen(self._simulated().guest.transport, "kick", lambda index: index == queue)
        return line.close

    def interrupts(self, fault: InterruptFault) -> Closer:
        """Interrupts are lost, late, or out of order."""
        line = Line(self._turns, fault.count, _fate(fault))
        queue = _QUEUES.get(fault.queue)
        if isinstance(self.attachment, SimulatedAttachment):
            transport = self.attachment.guest.transport
            line.listen(transport, "on_interrupt", lambda index: index == queue)
            line.listen(transport, "on_config_change", lambda: queue is None)
        else:
            self._listen_to_socket(line, queue)
        return line.close

    def _listen_to_socket(self, line: Line, queue: int | None) -> None:
        """The call descriptors of a VMM, or its calls in band, and changes of its device's config space."""
        connection = self.attachment.connection if isinstance(self.attachment, ServedAttachment) else None
        if connection is None or connection.backend is None or connection.device is None:
            raise BadInput(f"{self.attachment.name}: no VMM is connected, so it has no interrupts")
        rings = connection.backend.rings

        def is_call(fd: int) -> bool:
            return queue is not None and fd == rings.vring(queue).fd(Request.SET_VRING_CALL)

        line.listen(connection, "ring", is_call)
        line.listen(connection.backend.inband, "send_call", lambda index: index == queue)
        line.listen(connection.device, "config_changed", lambda: queue is None)

    def fences(self, fault: FenceFault) -> Closer:
        """Fences signal late, never, or with an error."""
        if fault.source == "flush":
            return KeptImages(self.attachment.display, fault.count, self._fate_of_flip(fault)).close
        attachment = self.attachment
        guest = attachment.guest if isinstance(attachment, SimulatedAttachment) else None
        if not isinstance(guest, SimulatedGuest) or not guest.has_gpu:
            raise BadInput(f"{attachment.name}: it has no GPU, and so no fences of one")
        if isinstance(fault, FailFences):
            return self._hang(guest.renderer, fault.count)
        line = Line(self._turns, fault.count, _fate(fault))
        line.listen(guest.renderer.driver, "interrupted")
        return line.close

    def _hang(self, renderer: Renderer, count: int) -> Closer:
        """The GPU hangs over the next frames."""

        def submitted(line: Line, submit: Call) -> object:
            fence = submit()
            line.later(0, lambda: renderer.driver.hang("the script of faults says that it hangs"))
            return fence

        line = Line(self._turns, count, submitted)
        line.listen(renderer, "draw")
        return line.close

    def _fate_of_flip(self, fault: FenceFault) -> Fate:
        if isinstance(fault, DelayFences):
            return lambda _flip, through: self._later(nanoseconds(fault.ms), through)
        return never if isinstance(fault, LoseFences) else failed

    def _later(self, delay_ns: int, call: Call) -> None:
        self._turns.call_at(self._clock.now_ns() + delay_ns, lambda: _void(call()))

    # Its pages.

    def scribble(self, fault: Scribble, presenters: list[Presenter]) -> Closer:
        """It draws into the pages of an image that is about to be read, from the top to the middle."""
        return _Scribbler(self._simulated(), self._animated(), fault.count, presenters).close

    def _simulated(self) -> SimulatedAttachment:
        if not isinstance(self.attachment, SimulatedAttachment):
            raise BadInput(f"{self.attachment.name} is no simulated guest, and has a driver of its own")
        return self.attachment

    def _animated(self) -> SimulatedGuest:
        guest = self._simulated().guest
        if not isinstance(guest, SimulatedGuest):
            raise BadInput(f"{self.attachment.name} draws what its author says; the author has it stop")
        return guest


class _Scribbler:
    """Draws into a guest's newest image just before an output reads it."""

    def __init__(
        self,
        attachment: SimulatedAttachment,
        guest: SimulatedGuest,
        count: int,
        presenters: list[Presenter],
    ) -> None:
        self._attachment, self._guest, self._left = attachment, guest, count
        self._looks = [BeforeRepaints(p, partial(self._look, p)) for p in presenters]

    def close(self) -> None:
        for look in self._looks:
            look.close()

    def _look(self, presenter: Presenter) -> bool:
        layer = self._attachment.display.heads and self._attachment.display.heads[0].surface.layers.get(
            presenter.output
        )
        guest = self._guest
        buffer = guest.flips.shown
        if layer and layer.pending and buffer is not None and self._left:
            canvas = np.empty_like(buffer.pixels)
            guest.workload.draw(guest.frames_submitted, canvas)
            buffer.pixels[: len(canvas) // 2] = canvas[: len(canvas) // 2]
            self._left -= 1
            if not self._left:
                self.close()
        return True


def _fate(fault: KickFault | InterruptFault | DelayFences | LoseFences) -> Callable[[Line, Call], None]:
    if isinstance(fault, LoseKicks | LoseInterrupts | LoseFences):
        return lost
    delay_ns = nanoseconds(fault.ms)
    return overtaken(delay_ns) if isinstance(fault, ReorderKicks | ReorderInterrupts) else late(delay_ns)


def _signal(pid: int, number: signal.Signals) -> None:
    """To all processes of a guest, which may have ended."""
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def _void(_result: object) -> None:
    """For calls whose result is of no interest."""
