"""A back end's dialogue: a front end that says anything, rings that it rewrites, a device that answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from tests.fuzz.reader import Reader, block
from tests.fuzz.target import Target
from tests.virtio.vhost_user.conftest import BASE, SIZE, EchoDevice, Guest, RecordingHost
from virtio.errors import DriverFault
from virtio.memory import SharedHandle
from virtio.vhost_user.messages import FLAG_NEED_REPLY, FLAG_REPLY, VERSION, Message, Request

_STEPS = 48
_SAY, _WRITE, _KICK, _CONFIG, _RELEASE = range(5)
_HANDLE = SharedHandle.create(SIZE)
_GUEST = Guest(_HANDLE)


class Hostile(RecordingHost):
    """A host that lives through an input, and serves queues a few times for each of its steps."""

    def serve(self, budget: int = 4) -> None:
        for index in self.scheduled[:budget]:
            self.backend.rings.process(index)
        self.scheduled.clear()

    def kick(self, index: int) -> None:
        if index in self.watched:
            self.backend.rings.process(index)


def run(data: bytes) -> None:
    """Steps until one is refused for good; then all is given back."""
    reader = Reader(data)
    mode = reader.number()
    device = EchoDevice()
    device.parking = bool(mode & 2)
    host = Hostile(device, inband=bool(mode & 1))
    steps: dict[int, Callable[[], None]] = {
        _SAY: lambda: say(host, reader),
        _WRITE: lambda: _GUEST.memory.write(BASE + reader.number(2) % (SIZE - 256), reader.take(64)),
        _KICK: lambda: host.kick(reader.number()),
        _CONFIG: device.config_changed,
        _RELEASE: device.release,
    }
    _GUEST.memory.write(BASE, bytes(SIZE))
    try:
        for _ in range(_STEPS):
            if not reader:
                break
            steps[reader.number() % len(steps)]()
            host.serve()
    except DriverFault:
        pass
    finally:
        host.backend.close()
    assert device.events[-1] == "reset"
    assert not host.watched
    account = device.account
    assert (account.address_space.used, account.descriptors.used) == (0, 0)


def say(host: RecordingHost, reader: Reader) -> None:
    """A message with descriptors: answered once at most, and an answer has the request's number."""
    request, flags, fds = reader.number(), reader.number(), reader.number()
    flags = VERSION | flags & (FLAG_REPLY | FLAG_NEED_REPLY)
    message = Message(request, reader.block()[:4096], flags=flags, fds=made(fds))
    host.replies.clear()
    try:
        host.backend.handle(message)
    finally:
        assert not message.fds
        assert [reply.request for reply in host.replies] in ([], [request])


def made(kinds: int) -> list[int]:
    """Descriptors: bits 0-3 how many of memory, bit 4 an eventfd, bit 5 a path, bit 6 one end of a pipe."""
    fds = [os.dup(_HANDLE.fd) for _ in range(kinds & 15)]
    if kinds & 16:
        fds.append(os.eventfd(0))
    if kinds & 32:
        fds.append(os.open("/", os.O_PATH))
    if kinds & 64:
        ours, theirs = os.pipe()
        os.close(ours)
        fds.append(theirs)
    return fds


class Writing(RecordingHost):
    """A host whose front end's words are written down as steps."""

    def __init__(self, *, inband: bool = False) -> None:
        super().__init__(EchoDevice(), inband=inband)
        self.steps = bytearray([inband])

    def say(
        self, request: int, payload: bytes = b"", *, fds: Sequence[int] = (), need_reply: bool = False
    ) -> Message | None:
        is_memory = request in (Request.SET_MEM_TABLE, Request.ADD_MEM_REG)
        kinds = 0 if not fds else 1 if is_memory else 16
        need = FLAG_NEED_REPLY if need_reply else 0
        self.steps += bytes([_SAY, request, need, kinds]) + block(payload)
        return super().say(request, payload, fds=fds, need_reply=need_reply)


def seeds() -> Iterator[bytes]:
    """Honest starts, with a request in each queue, by doorbells and in band; then each message after one."""
    for inband in (False, True):
        host = Writing(inband=inband)
        host.start(_GUEST)
        start = bytes(host.steps)
        _GUEST.memory.write(BASE, bytes(SIZE))
        _GUEST.submit(0, b"hello")
        rings = b"".join(
            bytes([_WRITE]) + (at * 64).to_bytes(2, "little") + data
            for at in range(65_000 // 64)
            if any(data := _GUEST.memory.read(BASE + at * 64, 64))
        )
        _GUEST.renew(0)
        yield start
        for answer in (b"", bytes([_CONFIG, _RELEASE])):
            yield start + rings + bytes([_KICK, 0]) + answer
        for request in Request:
            host.steps.clear()
            host.backend.close()
            host = Writing(inband=inband)
            message = bytes([_SAY, request, FLAG_NEED_REPLY, 16]) + block(bytes(8))
            yield start + message
            yield bytes([inband]) + message
        host.backend.close()


TARGET = Target(run, seeds, longest=1024)
