"""The life of a guest's process: connect, boot, draw until there is a reason to end."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from guest.driver import DeviceFault, DriverState
from guest.process.clock import CalendarTime, GuestClock, RealTime
from guest.process.reactor import Reactor
from guest.process.refresh import draw_loop
from guest.process.task import GuestTask
from guest.process.transport import VhostUserTransport
from guest.simulated import SimulatedGuest
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
        draw_loop(guest, clock, task)
        guest.start()
        _live(guest, clock, transports[0], reactor, task.frames)
    return guest


def _live(
    guest: SimulatedGuest,
    clock: GuestClock,
    transport: VhostUserTransport,
    reactor: Reactor,
    frames: int | None,
) -> None:
    while not reactor.stopped and not _has_shown(guest, frames):
        transport.poll()
        if guest.driver.state is DriverState.LOST:
            raise DeviceFault(f"{guest.name}: the device found a broken queue and asks for a reset")
        clock.run_due()
        if not transport.pending:
            clock.pass_time()


def _has_shown(guest: SimulatedGuest, frames: int | None) -> bool:
    return frames is not None and guest.frames_submitted >= frames and not guest.flips.pending
