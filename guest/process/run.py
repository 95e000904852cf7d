"""The life of a guest's process: connect, boot, draw until there is a reason to end."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from guest.driver import DeviceFault, DriverState
from guest.process.clock import CalendarTime, GuestClock, RealTime
from guest.process.reactor import Reactor
from guest.process.refresh import AnnouncedRefresh, FreeRun, TimedRefresh
from guest.process.task import GuestTask
from guest.process.transport import VhostUserTransport
from guest.render_loop import RenderLoop
from guest.simulated import SimulatedGuest
from virtio.clock.calendar import NANOSECONDS
from virtio.memory import GuestMemory
from virtio.vhost_user.frontend import VhostUserFrontend


def run_guest(task: GuestTask) -> SimulatedGuest:
    """Be the guest until it has shown its frames, or SIGINT or SIGTERM comes.

    Returns:
        The guest, switched off.

    Raises:
        Misuse: No host listens, or the task makes no sense.
        HostGone: The host ended, or does not take a guest.
        DeviceFault: A fence was missed, or the device refuses to be driven.
    """
    guest = task.describe()  # what cannot work does not bother the host
    with ExitStack() as stack:
        reactor = stack.enter_context(Reactor())
        reactor.stop_on_signals()
        clock = RealTime(reactor) if task.time is None else CalendarTime(reactor, Path(task.time))
        stack.callback(clock.close)
        transports: list[VhostUserTransport] = []

        def connect(memory: GuestMemory) -> VhostUserTransport:
            inband = task.time is not None
            frontend = reactor.wait(VhostUserFrontend.connect(task.socket_path, inband=inband))
            frontend.on_notice = clock.interrupt
            transports.append(VhostUserTransport(frontend, memory, reactor))
            return transports[0]

        guest.plug(connect)
        stack.callback(guest.close)
        _draw_on(guest, clock, task)
        guest.start()
        _live(guest, clock, transports[0], reactor, task.frames)
    return guest


def _draw_on(guest: SimulatedGuest, clock: GuestClock, task: GuestTask) -> None:
    """Choose what makes the guest draw."""
    if guest.render_ns:
        RenderLoop(guest, clock)
    elif not task.paced:
        FreeRun(guest, clock)
    elif task.vblanks:
        AnnouncedRefresh(guest, clock)
    else:
        TimedRefresh(guest, clock, round(task.patience_s * NANOSECONDS))


def _live(
    guest: SimulatedGuest,
    clock: GuestClock,
    transport: VhostUserTransport,
    reactor: Reactor,
    frames: int | None,
) -> None:
    while not reactor.stopped and not _has_shown(guest, frames):
        transport.deliver()
        if guest.driver.state is DriverState.LOST:
            raise DeviceFault(f"{guest.name}: the device found a broken queue and asks for a reset")
        clock.run_due()
        if not transport.pending:
            clock.pass_time()


def _has_shown(guest: SimulatedGuest, frames: int | None) -> bool:
    return frames is not None and guest.frames_submitted >= frames and not guest.flips.pending
