"""A tiny device, a guest's memory, and the hosts and front ends that the tests of vhost-user share.

Types for annotations are imported from here under `TYPE_CHECKING` only; tests get objects from fixtures.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from guest.driver.ring import DriverQueue
from virtio.account import Account
from virtio.device import Device
from virtio.errors import QueueFault
from virtio.features import RingFeature
from virtio.limits import Limits
from virtio.memory import PAGE, GuestMemory, Region, SharedHandle
from virtio.ring.chain import Chain
from virtio.ring.layout import QueueConfig
from virtio.ring.split import SplitQueue
from virtio.turn import COMMAND, COMMANDS, ENDLESS, Turn
from virtio.vhost_user.backend import Backend
from virtio.vhost_user.channel import BackendChannel
from virtio.vhost_user.messages import FLAG_NEED_REPLY, VERSION, Message, Request
from virtio.vhost_user.payloads import (
    RegionDescription,
    VringAddress,
    VringState,
    pack_memory_table,
    pack_u64,
    unpack_u64,
)
from virtio.vhost_user.server import VhostUserServer

BASE = 0x10_0000
SIZE = 64 * PAGE
USER = 0x7F00_0000_0000
QUEUE_SIZE = 256
FEATURE = 1 << 3


def held_descriptors() -> int:
    """Open descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Every test of this folder gives back all descriptors."""
    before = held_descriptors()
    yield
    if held_descriptors() != before:
        gc.collect()  # what is unreachable, but in a cycle
    assert held_descriptors() == before


class EchoDevice:
    """Answers every request with the same bytes, or holds the answers back.

    Attributes:
        events: What the transport did, in order.
        parking: Hold answers back until `release`.
        config: The config space.
        served: Requests, in order.
    """

    device_id = 42
    queue_count = 2
    features = FEATURE

    def __init__(self) -> None:
        self.notify: Callable[[int], None] = lambda _index: None
        self.resume: Callable[[int], None] = lambda _index: None
        self.config_changed: Callable[[], None] = lambda: None
        self.account = Account(Limits(address_space=1 << 30))
        self.events: list[str] = []
        self.parking = False
        self.config = bytearray(16)
        self.served: list[bytes] = []
        self.memory: GuestMemory | None = None
        self.activated = 0
        self.rounds = 0
        self._parked: list[tuple[int, SplitQueue, Chain]] = []

    def read_config(self, offset: int, length: int) -> bytes:
        return bytes(self.config[offset : offset + length]).ljust(length, b"\0")

    def write_config(self, offset: int, data: bytes) -> None:
        self.config[offset : offset + len(data)] = data

    def activate(self, features: int, memory: GuestMemory) -> None:
        self.events.append("activate")
        self.activated = features
        self.memory = memory

    def process(self, index: int, queue: SplitQueue, turn: Turn = ENDLESS) -> bool:
        self.rounds += 1
        while True:
            while not turn.over() and (chain := queue.pop()) is not None:
                turn.over(COMMAND)
                request = chain.read(4096)
                if request == b"break":
                    raise QueueFault("the driver asked for it")
                self.served.append(request)
                if self.parking:
                    self._parked.append((index, queue, chain))
                else:
                    queue.add_used(chain, chain.write(request))
            if turn.over() or not queue.enable_kicks():
                return queue.should_notify()

    def release(self) -> None:
        parked, self._parked = self._parked, []
        for index, queue, chain in parked:
            queue.add_used(chain, chain.write(chain.read(4096)))
            if queue.should_notify():
                self.notify(index)

    def reset(self) -> None:
        self.events.append("reset")
        self._parked.clear()
        self.memory = None


class Guest:
    """The guest's memory and the driver's side of two queues in it.

    Attributes:
        handle: The memory.
        features: What its queues are driven with.
    """

    def __init__(self, handle: SharedHandle, features: int = RingFeature.EVENT_IDX) -> None:
        self.handle = handle
        self.memory = GuestMemory([Region(BASE, SIZE, handle)])
        self.queues = [self._queue(index, features) for index in range(2)]
        self._next = 0

    def _queue(self, index: int, features: int) -> DriverQueue[int]:
        return DriverQueue(self.memory, self.config(index), features=features)

    def renew(self, index: int) -> None:
        """A new driver's life: the ring is empty and at position 0 again."""
        self.memory.write(self.config(index).descriptor_table, bytes(3 * PAGE))
        self.queues[index] = self._queue(index, RingFeature.EVENT_IDX)

    def config(self, index: int) -> QueueConfig:
        at = BASE + 4 * index * PAGE
        return QueueConfig(QUEUE_SIZE, at, at + PAGE, at + 2 * PAGE)

    def address(self, index: int) -> VringAddress:
        config = self.config(index)
        return VringAddress(
            index,
            0,
            config.descriptor_table - BASE + USER,
            config.used_ring - BASE + USER,
            config.available_ring - BASE + USER,
            0,
        )

    @property
    def region(self) -> RegionDescription:
        return RegionDescription(BASE, SIZE, USER, 0)

    def submit(self, index: int, request: bytes) -> None:
        """Make a request available; its answer has as many bytes at most."""
        at = BASE + 16 * PAGE + 256 * (self._next % 128)
        self._next += 1
        self.memory.write(at, request)
        self.queues[index].add([(at, len(request))], [(at + 128, len(request))], at + 128)

    def answers(self, index: int) -> list[bytes]:
        """What the device answered since the last look; the next answer shall be told of."""
        found = [self.memory.read(at, length) for at, length in self.queues[index].reap()]
        self.queues[index].enable_interrupts()
        return found

    def close(self) -> None:
        self.queues.clear()
        self.memory.close()


@pytest.fixture
def guest() -> Iterator[Guest]:
    with SharedHandle.create(SIZE) as handle:
        made = Guest(handle)
        yield made
        made.close()


class RecordingHost:
    """A `Host` that does nothing but remember, and plays the front end of a sans-IO `Backend`.

    Attributes:
        device: The device being served.
        backend: Under test.
        replies: What was sent, in order.
        reports: Lines for the user.
        scheduled: Queues to be processed.
        rung: Descriptors signalled.
        deaf: Descriptors without a listener.
        requests: What came on the backend channel.
    """

    def __init__(self, device: EchoDevice, *, inband: bool = False) -> None:
        self.device = device
        self.replies: list[Message] = []
        self.reports: list[str] = []
        self.scheduled: list[int] = []
        self.watched: dict[int, int] = {}
        self.rung: list[int] = []
        self.deaf: set[int] = set()
        self.requests: list[Message] = []
        self.unwatchable = False
        self.no_socket = False
        self.gpu_sockets: list[int] = []
        self.channel: BackendChannel | None = None
        self._keep: list[int] = []
        self.backend = Backend(device, self, inband=inband)

    # Host.

    def send(self, message: Message) -> None:
        self.replies.append(message)

    def report(self, line: str) -> None:
        self.reports.append(line)

    def schedule(self, index: int) -> None:
        self.scheduled.append(index)

    def watch_kick(self, index: int, fd: int) -> None:
        if self.unwatchable:
            raise PermissionError(1, "Operation not permitted")
        self.watched[index] = fd

    def unwatch_kick(self, index: int) -> None:
        self.watched.pop(index, None)

    def ring(self, fd: int) -> bool:
        self.rung.append(fd)
        return fd not in self.deaf

    def open_channel(self, fd: int, channel: BackendChannel) -> None:
        os.close(fd)
        if self.no_socket:
            raise OSError(88, "Socket operation on non-socket")
        self.channel = channel
        channel.open(self.requests.append)

    def open_gpu_socket(self, fd: int) -> None:
        os.close(fd)
        self.gpu_sockets.append(fd)

    # Front end.

    def say(
        self, request: int, payload: bytes = b"", *, fds: Sequence[int] = (), need_reply: bool = False
    ) -> Message | None:
        """Send one message; the reply to it, if there is one."""
        self.replies.clear()
        flags = VERSION | (FLAG_NEED_REPLY if need_reply else 0)
        self.backend.handle(Message(request, payload, flags=flags, fds=fds))
        assert len(self.replies) <= 1
        return self.replies[0] if self.replies else None

    def ack(self, request: int, payload: bytes = b"", *, fds: Sequence[int] = ()) -> int:
        """Send one message that asks for an acknowledgement, and give that."""
        reply = self.say(request, payload, fds=fds, need_reply=True)
        assert reply is not None
        assert reply.request == request
        assert reply.flags == VERSION | 0x4
        return unpack_u64(reply)

    def eventfd(self) -> int:
        return os.eventfd(0)

    def negotiate(self, protocol: int = 0x2229) -> None:
        self.ack(Request.SET_PROTOCOL_FEATURES, pack_u64(protocol))
        self.say(Request.SET_FEATURES, pack_u64(FEATURE | 1 << 32 | 1 << 30 | RingFeature.EVENT_IDX))

    def share(self, guest: Guest) -> None:
        table = pack_memory_table([guest.region])
        assert self.ack(Request.SET_MEM_TABLE, table, fds=[os.dup(guest.handle.fd)]) == 0

    def set_queue(self, guest: Guest, index: int, *, base: int = 0, kick: bool = True) -> None:
        self.say(Request.SET_VRING_NUM, VringState(index, QUEUE_SIZE).pack())
        self.say(Request.SET_VRING_BASE, VringState(index, base).pack())
        self.say(Request.SET_VRING_ADDR, guest.address(index).pack())
        if kick:
            self.say(Request.SET_VRING_CALL, pack_u64(index), fds=[self.eventfd()])
            self.say(Request.SET_VRING_KICK, pack_u64(index), fds=[self.eventfd()])

    def enable(self, index: int, *, on: bool = True) -> int:
        return self.ack(Request.SET_VRING_ENABLE, VringState(index, int(on)).pack())

    def stop(self, index: int) -> int:
        """GET_VRING_BASE: the position that the queue stopped at."""
        reply = self.say(Request.GET_VRING_BASE, VringState(index).pack())
        assert reply is not None
        return VringState.unpack(reply).number

    def run(self) -> None:
        """Process what is scheduled, until nothing is."""
        while self.scheduled:
            self.backend.rings.process(self.scheduled.pop(0))

    def start(self, guest: Guest) -> None:
        """Everything up to two running queues."""
        self.negotiate()
        self.share(guest)
        for index in range(2):
            self.set_queue(guest, index)
            assert self.enable(index) == 0
        self.run()

    def echo(self, guest: Guest, index: int, request: bytes) -> list[bytes]:
        """Submit, kick, and give the answers."""
        guest.submit(index, request)
        assert index in self.watched
        self.backend.rings.process(index)
        self.run()
        return guest.answers(index)


@pytest.fixture
def device() -> EchoDevice:
    return EchoDevice()


@pytest.fixture
def host(device: EchoDevice) -> Iterator[RecordingHost]:
    made = RecordingHost(device)
    yield made
    made.backend.close()


@pytest.fixture
def inband_host(device: EchoDevice) -> Iterator[RecordingHost]:
    made = RecordingHost(device, inband=True)
    yield made
    made.backend.close()


class ServedDevices:
    """A running server and all the devices that it made.

    Attributes:
        server: Running.
        devices: One for each front end, in order.
        errors: Lines for the user.
    """

    def __init__(self, path: Path, **options: Any) -> None:
        self.devices: list[EchoDevice] = []
        self.errors: list[str] = []
        self.connected: list[Device] = []
        self.disconnected: list[Device] = []
        self.gone = asyncio.Event()
        self.server = VhostUserServer(
            path,
            self._make,
            on_error=self.errors.append,
            on_connect=self.connected.append,
            on_disconnect=self._leave,
            **options,
        )

    def _make(self) -> EchoDevice:
        self.devices.append(EchoDevice())
        return self.devices[-1]

    def _leave(self, device: Device) -> None:
        self.disconnected.append(device)
        self.gone.set()

    async def until_gone(self) -> None:
        """Until a front end has been served to its end."""
        await asyncio.wait_for(self.gone.wait(), 10)
        self.gone.clear()


Serve = Callable[..., ServedDevices]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """A factory of running servers, on `gpu` unless told otherwise; closed at the end."""
    running: list[ServedDevices] = []

    def start(name: str = "gpu", **options: bool) -> ServedDevices:
        served = ServedDevices(tmp_path / name, **options)
        served.server.start()
        running.append(served)
        return served

    yield start
    for served in running:
        served.server.close()


async def _turns() -> None:
    for _ in range(60):
        await asyncio.sleep(0)


@pytest.fixture
def turns() -> Callable[[], Awaitable[None]]:
    """Let the loop run: for what must *not* happen, since what must can be waited for."""
    return _turns


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def budget() -> int:
    """Chains that one callback serves; less than the tests' queues hold."""
    return COMMANDS
