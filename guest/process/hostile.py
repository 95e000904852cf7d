"""A hostile guest in a process of its own: one attack on its device, without end.

    python -m guest.process.hostile ATTACK SOCKET

Its driver is an honest one; what it asks for is allowed, or refused with an answer. It is only that it never
stops asking, and asks for what costs the device most. So it tests that one guest cannot keep another from its
frames (`scanout run hostile-neighbour`). What a guest may not do at all is in `guest.faults`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

from guest.commanded import CommandedGuest
from guest.driver import DriverState
from guest.driver.commander import Commander, Reply
from guest.driver.ring import DeviceFault
from guest.linux.process import GuestProcess
from guest.memory import PAGE
from guest.process.launch import process_environment
from guest.process.reactor import Reactor
from guest.process.transport import VhostUserTransport
from virtio.errors import Misuse, ScanoutError
from virtio.gpu import wire
from virtio.gpu.formats import Format
from virtio.gpu.wire import BlobFlag, BlobMem, Command, Rect
from virtio.memory import GuestMemory
from virtio.ring.layout import DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE, DESCRIPTOR, DESCRIPTOR_SIZE
from virtio.vhost_user.frontend import VhostUserFrontend

ENTRIES = 16_384  # of one backing: as many as a device takes
HUGE = (16_384, 16_128)  # pixels of an image that leaves a little of the host memory of 1 GiB
LONGEST_CHAIN, LONGEST_QUEUE = 1024, 32_768  # descriptors: what a device takes, what the specification has
_MEMORY = 256 << 20  # bytes; what is not used costs nothing
_IN_FLIGHT = 64  # requests; as many as the control queue has descriptors
_PIECE = 64 << 10  # named so often that it is 1 GiB
_LOOK_S = 0.001  # between looks at a ring without interrupts
_SMALL = 64  # a side of a small image, pixels
_IMAGE, _CURSOR, _BLOB = 1, 2, 3  # resources

Message = tuple[int, tuple[Any, ...], bytes]


class Attacker:
    """A guest that attacks its device.

    Args:
        reactor: The loop of its process.
        socket: Where the device listens.

    Attributes:
        guest: The guest, while it is booted.
    """

    def __init__(self, reactor: Reactor, socket: Path) -> None:
        self._reactor, self._socket = reactor, socket
        self.guest = CommandedGuest("hostile", seed=0, memory=_MEMORY)

    def boot(self) -> None:
        """Connect, and drive the device, from the start if it was driven before.

        Raises:
            HostGone: There is none.
        """
        self.guest.close()
        self.guest.plug(self._connect)
        self.reboot()

    def reboot(self) -> None:
        """Reset the device, and drive it."""
        self.guest.start()
        self.live(lambda: self.guest.driver.state is DriverState.PROBING)

    def live(self, goes_on: Callable[[], bool] = lambda: True) -> None:
        """Hear what the device says, as long as that."""
        while goes_on():
            self._transport.poll()
            if goes_on() and not self._transport.pending:
                self._reactor.sleep()

    def look(self, seconds: float) -> None:
        """Hear what the device says within that time, or has said."""
        self._reactor.sleep(seconds)
        self._transport.poll()

    def flood(self, messages: Iterator[Message]) -> None:
        """Send one message after the other, and as many at a time as the ring takes.

        Raises:
            DeviceFault: The device asks for a reset: this is no attack any more.
        """
        driver = self.guest.driver

        def answered(_reply: Reply) -> None:
            commander.send(*next(messages))

        commander = Commander(driver, answered)
        for message, _ in zip(messages, range(_IN_FLIGHT), strict=False):
            commander.send(*message)
            driver.notify()
        self.live(lambda: driver.state is not DriverState.LOST)
        raise DeviceFault("the device asks for a reset")

    def _connect(self, memory: GuestMemory) -> VhostUserTransport:
        frontend = self._reactor.wait(VhostUserFrontend.connect(self._socket))
        self._transport = VhostUserTransport(frontend, memory, self._reactor)
        return self._transport


class Attack(NamedTuple):
    """A way to keep a device busy.

    Attributes:
        title: What is asked for, without end.
        run: Does it.
    """

    title: str
    run: Callable[[Attacker], None]


def _repeated(prepare: Callable[[CommandedGuest], Sequence[Message]]) -> Callable[[Attacker], None]:
    """The attack that sends the same few messages again and again."""

    def run(attacker: Attacker) -> None:
        attacker.boot()
        messages = prepare(attacker.guest)
        attacker.guest.driver.notify()
        attacker.flood(cycle(messages))

    return run


def _huge_image(guest: CommandedGuest) -> Rect:
    """An image of nearly 1 GiB, whose memory is the same 64 KiB again and again; all of it."""
    piece = guest.driver.ram.allocate_contiguous(_PIECE)
    guest.send(Command.RESOURCE_CREATE_2D, wire.ResourceCreate2d(_IMAGE, Format.B8G8R8X8, *HUGE))
    backing = wire.ResourceAttachBacking(_IMAGE, ENTRIES)
    guest.send(Command.RESOURCE_ATTACH_BACKING, backing, wire.pack_entries([piece] * ENTRIES))
    return Rect(0, 0, *HUGE)


def _transfers(guest: CommandedGuest) -> Sequence[Message]:
    return [(Command.TRANSFER_TO_HOST_2D, wire.TransferToHost2d(_huge_image(guest), 0, _IMAGE), b"")]


def _blobs(guest: CommandedGuest) -> Sequence[Message]:
    start, size = guest.driver.ram.allocate_contiguous(ENTRIES * PAGE)
    pages = [(start + at, PAGE) for at in range(size - PAGE, -PAGE, -PAGE)]  # no two make one mapping
    blob = wire.ResourceCreateBlob(_BLOB, BlobMem.GUEST, BlobFlag.USE_SHAREABLE, ENTRIES, 0, size)
    return [
        (Command.RESOURCE_CREATE_BLOB, blob, wire.pack_entries(pages)),
        (Command.RESOURCE_UNREF, wire.ResourceUnref(_BLOB), b""),
    ]


def _flushes(guest: CommandedGuest) -> Sequence[Message]:
    guest.show(_IMAGE, _SMALL, _SMALL, 0x80)
    return [(Command.RESOURCE_FLUSH, wire.ResourceFlush(Rect(0, 0, _SMALL, _SMALL), _IMAGE), b"")]


def _displays(_guest: CommandedGuest) -> Sequence[Message]:
    return [(Command.GET_DISPLAY_INFO, wire.NoBody(), b"")]


def _cursors(guest: CommandedGuest) -> Sequence[Message]:
    guest.show(_IMAGE, _SMALL, _SMALL, 0x80)
    guest.picture(_CURSOR, _SMALL, _SMALL)[...] = 0xFF
    places = (wire.CursorPos(0, x, x) for x in (1, 2))
    return [(Command.UPDATE_CURSOR, wire.UpdateCursor(place, _CURSOR), b"") for place in places]


def _huge_flushes(guest: CommandedGuest) -> Sequence[Message]:
    whole = _huge_image(guest)
    guest.send(Command.SET_SCANOUT, wire.SetScanout(whole, 0, _IMAGE))
    return [(Command.RESOURCE_FLUSH, wire.ResourceFlush(whole, _IMAGE), b"")]


def _reconnects(attacker: Attacker) -> None:
    while True:
        attacker.boot()
        attacker.guest.show(_IMAGE, _SMALL, _SMALL, 0x80)


def _chains(length: int) -> Callable[[Attacker], None]:
    """The attack by chains of so many descriptors, in one indirect table that all of them share."""

    def run(attacker: Attacker) -> None:
        attacker.boot()
        while True:
            _send_chains(attacker, length)
            attacker.reboot()  # the device has asked for it

    return run


def _send_chains(attacker: Attacker, length: int) -> None:
    """Send as many as the queue has descriptors, again and again, until the device asks for a reset."""
    driver = attacker.guest.driver
    ring = attacker.guest.raw_ring()
    table = driver.ram.allocate_contiguous(DESCRIPTOR_SIZE * length)
    message = wire.pack(driver.header(Command.GET_DISPLAY_INFO))
    ring.memory.write(ring.page, message)
    first = DESCRIPTOR.pack(ring.page, len(message), DESC_F_NEXT, 1)
    empty = (DESCRIPTOR.pack(ring.page, 1, DESC_F_NEXT, index + 1) for index in range(1, length - 1))
    last = DESCRIPTOR.pack(ring.page + PAGE // 2, PAGE // 2, DESC_F_WRITE, 0)
    ring.memory.write(table[0], first + b"".join(empty) + last)
    for index in range(ring.size):
        ring.describe(index, table, DESC_F_INDIRECT)
    free = list(range(ring.size))
    while driver.state is not DriverState.LOST:
        while free:
            ring.publish(free.pop())
        ring.kick()
        attacker.look(_LOOK_S)
        free += [head for head, _ in ring.used()]
    driver.ram.free([table, (ring.page, PAGE)])


ATTACKS: Mapping[str, Attack] = {
    "transfers": Attack("a transfer of 1 GiB out of 64 KiB named 16,384 times", _repeated(_transfers)),
    "blobs": Attack("a blob of 16,384 pages, made and dropped", _repeated(_blobs)),
    "chains": Attack("a chain of 32,768 descriptors, and the reset it brings", _chains(LONGEST_QUEUE)),
    "long-chains": Attack("a chain of 1,024 descriptors, as long as is taken", _chains(LONGEST_CHAIN)),
    "flushes": Attack("a flush", _repeated(_flushes)),
    "displays": Attack("GET_DISPLAY_INFO", _repeated(_displays)),
    "cursors": Attack("a cursor's picture at another place", _repeated(_cursors)),
    "huge-flushes": Attack("a flush of an image of 16,384x16,128", _repeated(_huge_flushes)),
    "reconnects": Attack("connect, boot, show, disconnect", _reconnects),
}
"""What a hostile guest can do, by name."""


async def launch(attack: str, socket: Path, workdir: Path) -> GuestProcess:
    """Start a hostile guest; it attacks until it is stopped, or its device goes.

    Args:
        attack: One of `ATTACKS`.
        socket: Where its vhost-user virtio-gpu device listens.
        workdir: A directory to work in.

    Raises:
        Misuse: There is no such attack.
        ToolMissing: `setpriv` is not installed.
    """
    if attack not in ATTACKS:
        raise Misuse(f"there is no attack {attack!r}; there are {', '.join(ATTACKS)}")
    return await GuestProcess.launch(
        [sys.executable, "-m", __name__, attack, str(socket)],
        name=f"hostile {attack}",
        directory=workdir,
        environment=process_environment(),
    )


def main(attack: str, socket: str) -> None:
    """Be the guest, until the device goes."""
    with Reactor() as reactor:
        ATTACKS[attack].run(Attacker(reactor, Path(socket)))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ScanoutError as error:
        print(error, flush=True)
        os._exit(1)  # what it holds goes with the process: no tidy end is needed
