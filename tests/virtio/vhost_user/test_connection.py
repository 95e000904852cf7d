from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from virtio.device import Device
from virtio.vhost_user.connection import Connection
from virtio.vhost_user.gpu_socket import FLAG_REPLY as GPU_REPLY
from virtio.vhost_user.messages import FLAG_NEED_REPLY, FLAG_REPLY, HEADER, VERSION, Message, Request
from virtio.vhost_user.pace import Turns
from virtio.vhost_user.payloads import VringState, pack_memory_table, pack_u64, unpack_u64

if TYPE_CHECKING:
    from tests.virtio.vhost_user.conftest import EchoDevice, Guest


class Peer:
    """A connection under test, and the raw front end at its other end. Implements `Owner`."""

    def __init__(self, device: EchoDevice | None) -> None:
        ours, self.sock = socket.socketpair()
        self.sock.setblocking(False)
        self.loop = asyncio.get_running_loop()
        self.device = device
        self.reports: list[str] = []
        self.over = asyncio.Event()
        self.connection = Connection(self.loop, ours, self, pace=Turns.on(self.loop).pace(), lines=32)

    def admit(self, connection: Connection) -> Device | None:
        assert connection is self.connection
        return self.device

    def report(self, line: str) -> None:
        self.reports.append(line)

    strange = lost = report

    def ended(self, connection: Connection) -> None:
        assert connection is self.connection
        assert not self.over.is_set()
        self.over.set()

    def send(self, request: int, payload: bytes = b"", fds: tuple[int, ...] = (), *, flags: int = 0) -> None:
        """Send a message; its descriptors are closed here."""
        data = Message(request, payload, flags=VERSION | flags).encode()
        socket.send_fds(self.sock, [data], list(fds))
        for fd in fds:
            os.close(fd)

    async def receive(self, sock: socket.socket | None = None, version: int = VERSION) -> Message:
        sock = sock or self.sock
        header = await asyncio.wait_for(self.loop.sock_recv(sock, HEADER.size), 10)
        request, flags, size = HEADER.unpack(header)
        assert flags & 3 == version
        payload = b""
        while len(payload) < size:
            payload += await asyncio.wait_for(self.loop.sock_recv(sock, size - len(payload)), 10)
        return Message(request, payload, flags=flags)

    async def ask(self, request: int, payload: bytes = b"", fds: tuple[int, ...] = ()) -> int:
        self.send(request, payload, fds, flags=FLAG_NEED_REPLY)
        return unpack_u64(await self.receive())

    async def until_over(self) -> None:
        await asyncio.wait_for(self.over.wait(), 10)

    def close(self) -> None:
        self.connection.close()
        self.sock.close()


Connect = Callable[..., Peer]


@pytest.fixture
async def connect(device: EchoDevice) -> AsyncIterator[Connect]:
    """A factory of connections to `device`; closed at the end."""
    peers: list[Peer] = []

    def make(served: EchoDevice | None = device) -> Peer:
        peers.append(Peer(served))
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()


def side_socket() -> tuple[socket.socket, int]:
    """A socket of ours, and its other end as a descriptor to give away."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return ours, theirs.detach()


async def start(peer: Peer, guest: Guest) -> tuple[int, int]:
    """One running queue; its kick and its call descriptor."""
    assert await peer.ask(Request.SET_PROTOCOL_FEATURES, pack_u64(0x229)) == 0
    assert await peer.ask(Request.SET_FEATURES, pack_u64(1 << 29 | 1 << 30 | 1 << 32)) == 0
    table = pack_memory_table([guest.region])
    assert await peer.ask(Request.SET_MEM_TABLE, table, (os.dup(guest.handle.fd),)) == 0
    assert await peer.ask(Request.SET_VRING_NUM, VringState(0, 256).pack()) == 0
    assert await peer.ask(Request.SET_VRING_ADDR, guest.address(0).pack()) == 0
    kick, call = os.eventfd(0), os.eventfd(0)
    assert await peer.ask(Request.SET_VRING_CALL, pack_u64(0), (os.dup(call),)) == 0
    assert await peer.ask(Request.SET_VRING_KICK, pack_u64(0), (os.dup(kick),)) == 0
    assert await peer.ask(Request.SET_VRING_ENABLE, VringState(0, 1).pack()) == 0
    return kick, call


async def readable(fd: int) -> None:
    """Wait for a descriptor to be rung."""
    loop, heard = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(fd, heard.set)
    await asyncio.wait_for(heard.wait(), 10)
    loop.remove_reader(fd)
    os.read(fd, 8)


async def test_a_kick_is_served_and_called(connect: Connect, guest: Guest) -> None:
    peer = connect()
    kick, call = await start(peer, guest)
    for text in (b"a", b"b"):
        guest.submit(0, text)
        os.eventfd_write(kick, 1)
        await readable(call)
        assert guest.answers(0) == [text]
    os.close(kick)
    os.close(call)


async def test_memory_that_is_not_shared_is_one_line(
    connect: Connect, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The VMM has mapped it privately (share=off): kicks come, but all memory stays as it was here."""
    monkeypatch.setattr("virtio.vhost_user.connection._SILENCE_S", 0)
    peer = connect()
    kick, call = await start(peer, guest)
    for _ in range(3):
        os.eventfd_write(kick, 1)
        for _ in range(5):
            await asyncio.sleep(0)
    (line,) = peer.reports
    assert line.startswith("queue 0 was kicked, but nothing was ever available in it: if the guest's memory")
    assert line.endswith("is not shared, share it (QEMU: share=on)")
    os.close(kick)
    os.close(call)


async def test_a_kick_that_comes_before_its_buffers_is_no_sign_of_unshared_memory(
    connect: Connect, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("virtio.vhost_user.connection._SILENCE_S", 1000)
    peer = connect()
    kick, call = await start(peer, guest)
    os.eventfd_write(kick, 1)
    while peer.connection._silence is None:  # noqa: ASYNC110
        await asyncio.sleep(0)
    guest.submit(0, b"late")
    os.eventfd_write(kick, 1)
    await readable(call)
    peer.connection._tell_of_silence(0)
    assert peer.reports == []
    os.close(kick)
    os.close(call)


async def test_messages_cut_anywhere_are_understood(connect: Connect, guest: Guest) -> None:
    peer = connect()
    stream = Message(Request.SET_OWNER).encode() + Message(Request.GET_QUEUE_NUM).encode()
    for position in range(len(stream)):
        peer.sock.send(stream[position : position + 1])
        await asyncio.sleep(0)
    assert unpack_u64(await peer.receive()) == 2
    # Two messages in one read, the second with descriptors: they are the second's.
    peer.sock.send(Message(Request.SET_OWNER).encode())
    table = pack_memory_table([guest.region])
    assert await peer.ask(Request.SET_MEM_TABLE, table, (os.dup(guest.handle.fd),)) == 0
    assert peer.reports == []


@pytest.mark.parametrize("length", [1, 11, 12, 13, 51])
async def test_a_front_end_that_is_killed_in_mid_message_leaves_one_line(
    connect: Connect, guest: Guest, device: EchoDevice, length: int
) -> None:
    peer = connect()
    kick, call = await start(peer, guest)
    data = Message(Request.ADD_MEM_REG, bytes(40)).encode()
    socket.send_fds(peer.sock, [data[:length]], [guest.handle.fd])
    peer.sock.close()
    await peer.until_over()
    (line,) = peer.reports
    of = "in a message header, after" if length < 12 else "in ADD_MEM_REG, after"
    assert line == f"connection ended {of} {length} of {12 if length < 12 else 52} bytes"
    assert device.events == ["activate", "reset"]
    os.close(kick)
    os.close(call)


async def test_a_connection_reset_is_reported(connect: Connect) -> None:
    peer = connect()
    peer.send(Request.GET_QUEUE_NUM)
    peer.send(Request.GET_QUEUE_NUM)
    await asyncio.wait_for(peer.loop.sock_recv(peer.sock, 1), 10)
    peer.sock.close()  # with unread answers
    await peer.until_over()
    assert peer.reports == ["connection lost: Connection reset by peer"]


async def test_silence_is_no_connection(connect: Connect, device: EchoDevice) -> None:
    peer = connect()
    peer.sock.close()
    await peer.until_over()
    assert peer.connection.device is None
    assert device.events == []
    assert peer.reports == []


async def test_a_peer_that_is_not_admitted_loses_its_descriptors(connect: Connect) -> None:
    peer = connect(None)
    peer.send(Request.SET_BACKEND_REQ_FD, b"", (os.eventfd(0),))
    await peer.until_over()
    assert peer.connection.backend is None


async def test_a_fault_that_cannot_be_told_ends_the_connection(connect: Connect, device: EchoDevice) -> None:
    peer = connect()
    peer.send(5, bytes(8))
    await peer.until_over()
    assert peer.reports == ["SET_MEM_TABLE: 0 regions, expected 1 to 8; the connection is closed"]
    assert device.events == ["reset"]


async def test_a_stream_out_of_step_ends_the_connection(connect: Connect) -> None:
    peer = connect()
    peer.sock.send(b"GET / HTTP/1.1\r\n\r\n")
    await peer.until_over()
    (line,) = peer.reports
    assert line.endswith("message version 3, expected 1; the connection is closed")


async def test_descriptors_that_ride_on_half_a_message_are_bounded(connect: Connect) -> None:
    peer, (ours, theirs) = connect(), socket.socketpair()
    for byte in Message(Request.SET_MEM_TABLE, bytes(8)).encode()[:9]:
        socket.send_fds(peer.sock, [bytes([byte])], [theirs.fileno()])
    theirs.close()
    await peer.until_over()
    assert peer.reports == ["a message with more than 8 file descriptors; the connection is closed"]
    assert ours.recv(1) == b"", "all are closed"
    ours.close()


async def test_the_same_line_is_reported_once_and_there_are_not_endless_many(connect: Connect) -> None:
    peer = connect()
    for number in range(3 * 40):
        assert await peer.ask(100 + number % 40) == 1
    assert len(peer.reports) == len(set(peer.reports)) == 32


async def test_truncated_memory_ends_the_connection(
    connect: Connect, guest: Guest, turns: Callable[[], Awaitable[None]]
) -> None:
    peer = connect()
    memory = os.memfd_create("unsealed")
    os.ftruncate(memory, guest.region.size)
    await peer.ask(Request.SET_MEM_TABLE, pack_memory_table([guest.region]), (os.dup(memory),))
    await peer.ask(Request.SET_VRING_NUM, VringState(0, 256).pack())
    await peer.ask(Request.SET_VRING_ADDR, guest.address(0).pack())
    kick = os.eventfd(0)
    await peer.ask(Request.SET_VRING_KICK, pack_u64(0), (os.dup(kick),))
    await peer.ask(Request.SET_VRING_ENABLE, VringState(0, 1).pack())
    await turns()
    os.ftruncate(memory, 0)
    os.eventfd_write(kick, 1)
    await peer.until_over()
    assert peer.reports == ["the guest's memory was truncated while in use; the connection is closed"]
    os.close(kick)
    os.close(memory)


async def test_nothing_is_served_after_the_end(
    connect: Connect, guest: Guest, device: EchoDevice, turns: Callable[[], Awaitable[None]]
) -> None:
    peer = connect()
    kick, call = await start(peer, guest)
    peer.connection.schedule(0)
    guest.submit(0, b"late")
    peer.connection.close()
    peer.connection.close()
    await turns()
    assert device.served == []
    os.close(kick)
    os.close(call)


@pytest.mark.parametrize("request_", [Request.SET_BACKEND_REQ_FD, Request.GPU_SET_SOCKET])
async def test_what_is_no_socket_is_refused(connect: Connect, request_: Request) -> None:
    peer = connect()
    assert await peer.ask(request_, b"", (os.eventfd(0),)) == 1
    assert peer.reports == [f"{request_.name}: Socket operation on non-socket"]


# The backend channel.


async def open_channel(peer: Peer) -> socket.socket:
    assert await peer.ask(Request.SET_PROTOCOL_FEATURES, pack_u64(0x229)) == 0
    ours, theirs = side_socket()
    assert await peer.ask(Request.SET_BACKEND_REQ_FD, b"", (theirs,)) == 0
    return ours


async def test_config_changes_wait_for_their_answers(connect: Connect, device: EchoDevice) -> None:
    peer = connect()
    with await open_channel(peer) as channel:
        for _ in range(2):
            device.config_changed()
            message = await peer.receive(channel)
            assert (message.request, message.flags) == (2, VERSION | FLAG_NEED_REPLY)
            channel.send(message.reply(pack_u64(0)).encode())
    assert peer.reports == []


async def test_a_new_channel_replaces_the_old_one(connect: Connect, device: EchoDevice) -> None:
    peer = connect()
    old = await open_channel(peer)
    with await open_channel(peer) as new:
        assert await asyncio.wait_for(peer.loop.sock_recv(old, 1), 10) == b""
        device.config_changed()
        assert (await peer.receive(new)).request == 2
    old.close()


async def test_descriptors_that_come_with_an_answer_are_closed(connect: Connect) -> None:
    peer = connect()
    with await open_channel(peer) as channel:
        fd = os.eventfd(0)
        socket.send_fds(channel, [Message(2).encode()[:5]], [fd, fd])
        os.close(fd)
        assert await peer.ask(Request.SET_OWNER) == 0


async def test_a_call_to_a_guest_that_does_not_read_does_not_stop_us(connect: Connect, guest: Guest) -> None:
    """UML's call descriptors are sockets that block."""
    peer = connect()
    kick, call = await start(peer, guest)
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with ours, theirs:
        while True:
            try:
                theirs.send(bytes(4096))
            except BlockingIOError:
                break
        theirs.setblocking(True)
        assert await peer.ask(Request.SET_VRING_CALL, pack_u64(0), (os.dup(theirs.fileno()),)) == 0
        guest.submit(0, b"x")
        os.eventfd_write(kick, 1)
        while not guest.answers(0):  # noqa: ASYNC110
            await asyncio.sleep(0)
    os.close(kick)
    os.close(call)


async def test_a_channel_that_ends_or_talks_nonsense_ends_nothing_else(
    connect: Connect, device: EchoDevice
) -> None:
    peer = connect()
    with await open_channel(peer) as channel:
        channel.send(Message(4, pack_u64(0), flags=VERSION | FLAG_REPLY).encode())
        assert await asyncio.wait_for(peer.loop.sock_recv(channel, 1), 10) == b""
    assert peer.reports == ["backend channel: VRING_CALL answers no request"]
    with await open_channel(peer):
        pass
    device.config_changed()
    assert await peer.ask(Request.SET_OWNER) == 0


# QEMU's display.


async def open_gpu(peer: Peer) -> socket.socket:
    """As QEMU does: it answers nothing before its own requests are answered."""
    ours, theirs = side_socket()
    peer.send(Request.GPU_SET_SOCKET, b"", (theirs,))
    assert await peer.ask(Request.SET_OWNER) == 0
    assert (await peer.receive(ours, 0)).request == 1
    return ours


async def test_qemus_display_is_never_waited_for(connect: Connect, guest: Guest) -> None:
    peer = connect()
    with await open_gpu(peer) as gpu:
        kick, call = await start(peer, guest)
        guest.submit(0, b"x")
        os.eventfd_write(kick, 1)
        await readable(call)
        assert guest.answers(0) == [b"x"]
        gpu.send(Message(1, pack_u64(3), flags=GPU_REPLY).encode())
        assert [(await peer.receive(gpu, 0)).request for _ in range(2)] == [2, 3]
        gpu.send(Message(3, bytes(408), flags=GPU_REPLY).encode())
        assert await peer.ask(Request.SET_OWNER) == 0
        assert peer.connection.gpu is not None
        assert len(peer.connection.gpu.displays) == 16
    # It ends first when QEMU stops, and nothing else ends.
    assert await peer.ask(Request.SET_OWNER) == 0
    guest.submit(0, b"y")
    os.eventfd_write(kick, 1)
    await readable(call)
    assert peer.connection.gpu is None
    assert peer.reports == []
    os.close(kick)
    os.close(call)


async def test_nonsense_from_qemus_display_closes_it_alone(connect: Connect) -> None:
    peer = connect()
    with await open_gpu(peer) as gpu:
        gpu.send(Message(1, bytes(3), flags=GPU_REPLY).encode())
        assert await asyncio.wait_for(peer.loop.sock_recv(gpu, 1), 10) == b""
    assert peer.reports == ["GPU socket: protocol features of 3 bytes, expected 8"]
    assert await peer.ask(Request.SET_OWNER) == 0


async def test_a_new_display_socket_replaces_the_old_one(connect: Connect) -> None:
    peer = connect()
    old = await open_gpu(peer)
    with await open_gpu(peer):
        assert await asyncio.wait_for(peer.loop.sock_recv(old, 1), 10) == b""
    old.close()
