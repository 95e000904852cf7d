from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from virtio.errors import Misuse, ProtocolFault
from virtio.vhost_user.frontend import VhostUserFrontend
from virtio.vhost_user.messages import FLAG_REPLY, HEADER, VERSION, Message, Request
from virtio.vhost_user.payloads import VringState, pack_u64

if TYPE_CHECKING:
    from tests.virtio.vhost_user.conftest import Guest, Serve


class Calls:
    """Counts the calls of a queue, and waits for them."""

    def __init__(self) -> None:
        self.count = 0
        self._event = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._event.set()

    async def wait(self) -> None:
        await asyncio.wait_for(self._event.wait(), 10)
        self._event.clear()


async def running(frontend: VhostUserFrontend, guest: Guest) -> list[Calls]:
    """Two running queues."""
    await frontend.negotiate()
    await frontend.set_memory(guest.memory)
    calls = [Calls(), Calls()]
    for index, call in enumerate(calls):
        await frontend.start_queue(index, guest.config(index), call)
    return calls


async def echo(
    frontend: VhostUserFrontend, guest: Guest, calls: list[Calls], index: int, text: bytes
) -> bytes:
    guest.submit(index, text)
    frontend.kick(index)
    found: list[bytes] = []
    while not found:
        await calls[index].wait()
        found = guest.answers(index)
    return found[0]


@pytest.mark.parametrize("inband", [False, True])
async def test_requests_are_answered_on_both_queues(serve: Serve, guest: Guest, *, inband: bool) -> None:
    served = serve(inband=inband)
    async with await VhostUserFrontend.connect(served.server.path, inband=inband) as frontend:
        calls = await running(frontend, guest)
        assert bool(frontend.protocol_features & 1 << 14) == inband
        assert await frontend.queue_count() == 2
        for number in range(300):
            text = b"%d" % number
            assert await echo(frontend, guest, calls, number % 2, text) == text
        assert await frontend.stop_queue(0) == 150
    await served.until_gone()
    assert served.devices[0].events == ["activate", "reset"]
    assert served.errors == []


@pytest.mark.parametrize("inband", [False, True])
async def test_a_queue_that_stopped_starts_where_it_was(serve: Serve, guest: Guest, *, inband: bool) -> None:
    served = serve(inband=inband)
    async with await VhostUserFrontend.connect(served.server.path, inband=inband) as frontend:
        calls = await running(frontend, guest)
        await echo(frontend, guest, calls, 0, b"a")
        base = await frontend.stop_queue(0)
        await frontend.stop_queue(1)
        await frontend.start_queue(0, guest.config(0), calls[0], base=base)
        assert await echo(frontend, guest, calls, 0, b"b") == b"b"
        assert served.devices[0].events == ["activate"]


@pytest.mark.parametrize("inband", [False, True])
async def test_the_device_tells_of_broken_queues_and_config_changes(
    serve: Serve, guest: Guest, *, inband: bool
) -> None:
    served = serve(inband=inband)
    async with await VhostUserFrontend.connect(served.server.path, inband=inband) as frontend:
        await running(frontend, guest)
        device = served.devices[0]
        heard: asyncio.Queue[str] = asyncio.Queue()
        frontend.on_queue_error = lambda index: heard.put_nowait(f"queue {index}")
        frontend.on_config_change = lambda: heard.put_nowait("config")
        guest.submit(0, b"break")
        frontend.kick(0)
        assert await asyncio.wait_for(heard.get(), 10) == "queue 0"
        device.config[4] = 9
        device.config_changed()
        assert await asyncio.wait_for(heard.get(), 10) == "config"
        assert await frontend.read_config(4, 2) == b"\x09\x00"
        await frontend.write_config(4, b"\x07")
        assert device.config[4] == 7
    assert served.errors == [
        f"{served.server.path}: queue 0: the driver asked for it; it is stopped until it is set up again"
    ]


async def test_a_parked_answer_is_called(serve: Serve, guest: Guest) -> None:
    served = serve()
    async with await VhostUserFrontend.connect(served.server.path) as frontend:
        calls = await running(frontend, guest)
        device = served.devices[0]
        device.parking = True
        guest.submit(0, b"later")
        frontend.kick(0)
        while not device.served:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert calls[0].count == 0
        device.release()
        await calls[0].wait()
        assert guest.answers(0) == [b"later"]


async def test_features_are_those_that_both_sides_know(serve: Serve) -> None:
    served = serve()
    async with await VhostUserFrontend.connect(served.server.path) as frontend:
        assert await frontend.negotiate(0) == 1 << 28 | 1 << 29 | 1 << 30 | 1 << 32
        assert frontend.offered == frontend.features | 1 << 3


async def test_a_refusal_is_raised(serve: Serve, guest: Guest) -> None:
    served = serve()
    async with await VhostUserFrontend.connect(served.server.path) as frontend:
        await running(frontend, guest)
        with pytest.raises(ProtocolFault, match=r"^the back end refused SET_VRING_NUM$"):
            await frontend.dialogue.request(Request.SET_VRING_NUM, VringState(0, 3).pack())


async def test_without_acknowledgements_requests_do_not_wait(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    async with VhostUserFrontend(ours) as frontend:
        await frontend.dialogue.request(Request.SET_OWNER)
        assert theirs.recv(100) == HEADER.pack(Request.SET_OWNER, VERSION, 0)


async def answered(theirs: socket.socket, request: Message) -> None:
    """A back end that sends this, whatever it is asked."""
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_recv(theirs, 100)
    await loop.sock_sendall(theirs, request.encode())


@pytest.mark.parametrize(
    "nonsense",
    [
        Message(Request.GET_QUEUE_NUM, pack_u64(0), flags=VERSION | FLAG_REPLY),
        Message(Request.GET_FEATURES, pack_u64(0)),
        Message(Request.GET_FEATURES, bytes(5000), flags=VERSION | FLAG_REPLY),
    ],
)
async def test_a_back_end_that_answers_nonsense_is_left(
    pair: tuple[socket.socket, socket.socket], nonsense: Message
) -> None:
    ours, theirs = pair
    gone: list[int] = []
    async with VhostUserFrontend(ours) as frontend:
        frontend.on_close = lambda: gone.append(1)
        query = asyncio.create_task(frontend.dialogue.query(Request.GET_FEATURES))
        await answered(theirs, nonsense)
        with pytest.raises(ProtocolFault, match="GET_FEATURES: the back end has gone"):
            await query
        assert gone == [1]
        with pytest.raises(ProtocolFault, match="GET_QUEUE_NUM: the back end has gone"):
            await frontend.queue_count()


async def test_an_answer_may_find_no_waiter(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    async with VhostUserFrontend(ours) as frontend:
        impatient = asyncio.create_task(frontend.dialogue.query(Request.GET_FEATURES))
        await asyncio.sleep(0)
        patient = asyncio.create_task(frontend.dialogue.query(Request.GET_FEATURES))
        await asyncio.sleep(0)
        impatient.cancel()
        for value in (1, 2):
            reply = Message(Request.GET_FEATURES, pack_u64(value), flags=VERSION | FLAG_REPLY)
            theirs.send(reply.encode())
        assert (await patient).payload == pack_u64(2)


async def test_a_back_end_that_goes_fails_what_waits(serve: Serve, guest: Guest) -> None:
    served = serve(inband=True)
    gone = asyncio.Event()
    async with await VhostUserFrontend.connect(served.server.path, inband=True) as frontend:
        await running(frontend, guest)
        frontend.on_close = gone.set
        frontend.kick(0)
        served.server.close()
        with pytest.raises(ProtocolFault, match="GET_QUEUE_NUM: the back end has gone"):
            await frontend.queue_count()
        assert gone.is_set()


async def test_cancelled_requests_survive_the_end(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, _ = pair
    async with VhostUserFrontend(ours) as frontend:
        query = asyncio.create_task(frontend.dialogue.query(Request.GET_FEATURES))
        await asyncio.sleep(0)
        query.cancel()


async def test_a_back_end_without_a_channel_is_served_too(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    async with VhostUserFrontend(ours) as frontend:
        negotiation = asyncio.create_task(frontend.negotiate())
        seen = []
        while not negotiation.done():
            header = await loop.sock_recv(theirs, HEADER.size)
            request, _, size = HEADER.unpack(header)
            seen.append(Request(request))
            if size:
                await loop.sock_recv(theirs, size)
            if request in (Request.GET_FEATURES, Request.GET_PROTOCOL_FEATURES):
                reply = Message(request, pack_u64(1 << 30), flags=VERSION | FLAG_REPLY)
                await loop.sock_sendall(theirs, reply.encode())
            if request == Request.SET_FEATURES:
                break
        assert await negotiation == 1 << 30
        assert Request.SET_BACKEND_REQ_FD not in seen


async def test_no_process_listens(tmp_path: Path) -> None:
    path = tmp_path / "no-listener"
    with pytest.raises(
        Misuse, match=f"^cannot connect to {path}: No such file or directory; start the back end"
    ):
        await VhostUserFrontend.connect(path)
