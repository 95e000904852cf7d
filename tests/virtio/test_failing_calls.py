"""Each system call of a guest's life fails once: the device says so, keeps nothing, and serves on."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import gc
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import virtio.accept
from tests.virtio.failing import Failing
from tests.virtio.gpu.conftest import RecordingDisplay
from tests.virtio.vhost_user.conftest import BASE, SIZE, USER, Guest, held_descriptors
from virtio.errors import Misuse
from virtio.gpu.device import GpuDevice
from virtio.gpu.display import DisplayMode, Rect
from virtio.gpu.wire import (
    BlobMem,
    Command,
    Header,
    ResourceAttachBacking,
    ResourceCreate2d,
    ResourceCreateBlob,
    ResourceFlush,
    SetScanout,
    SetScanoutBlob,
    TransferToHost2d,
    pack,
    pack_entries,
)
from virtio.memory import PAGE, SharedHandle
from virtio.memory.mapping import live_ranges
from virtio.turn import CountedTurn, Turn
from virtio.vhost_user.connection import Connection
from virtio.vhost_user.messages import FLAG_NEED_REPLY, HEADER, VERSION, Message, Request
from virtio.vhost_user.payloads import RegionDescription, VringState, pack_memory_table, pack_region, pack_u64
from virtio.vhost_user.server import VhostUserServer

_TURNS = 200
_ROOM = 1024
Heard = list[tuple[int, bytes] | None]
_SCREEN = Rect(0, 0, 32, 32)


class AtOnce:
    """A pace without real time: work in the next round of the loop, answers at once."""

    def listen(self) -> None: ...

    def ready(self) -> bool:
        return True

    def defer(self, work: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_soon(work)

    def work(self, step: Callable[[Turn], None]) -> None:
        step(CountedTurn())

    def settle(self, answer: Callable[[], None]) -> None:
        answer()

    def owes(self, *, answer: bool) -> None: ...


class Vmm:
    """A front end of bare sockets, so that no call of its own can be made to fail.

    Attributes:
        answers: What it heard so far, as (request, payload); None where the connection had ended.
    """

    def __init__(self, path: Path, guest: Guest) -> None:
        self.answers: Heard = []
        self.guest = guest
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(path))
        self.kick, self.call = os.eventfd(0, os.EFD_NONBLOCK), os.eventfd(0, os.EFD_NONBLOCK)
        self.others: list[socket.socket] = []

    async def ask(self, request: int, payload: bytes = b"", fds: Sequence[int] = ()) -> None:
        """Say something, and wait for the answer, or the end: one of these comes."""
        message = Message(request, payload, flags=VERSION | FLAG_NEED_REPLY).encode()
        try:
            socket.send_fds(self.sock, [message], list(fds))
        except OSError:
            self.answers.append(None)
            return
        for _ in range(_TURNS):
            try:
                data = self.sock.recv(4096, socket.MSG_DONTWAIT)
            except BlockingIOError:
                await asyncio.sleep(0)
            except ConnectionResetError:
                data = b""
                break
            else:
                break
        else:
            raise AssertionError(f"{Request(request).name}: neither an answer nor an end")
        self.answers.append((HEADER.unpack_from(data)[0], data[HEADER.size :]) if data else None)

    async def begin(self) -> None:
        """Everything up to a running queue, with all the sockets that there are."""
        await self.ask(Request.GET_FEATURES)
        await self.ask(Request.GET_PROTOCOL_FEATURES)
        await self.ask(Request.SET_PROTOCOL_FEATURES, pack_u64(1 << 3 | 1 << 5 | 1 << 9 | 1 << 15))
        await self.ask(Request.SET_FEATURES, pack_u64(1 << 32 | 1 << 30 | 1 << 29))
        fd = self.guest.handle.fd
        await self.ask(Request.SET_MEM_TABLE, pack_memory_table([self.guest.region]), [fd])
        more = RegionDescription(BASE + SIZE, PAGE, USER + SIZE, 0)
        await self.ask(Request.ADD_MEM_REG, pack_region(more), [fd])
        for request in (Request.SET_BACKEND_REQ_FD, Request.GPU_SET_SOCKET):
            ours, theirs = socket.socketpair()
            self.others.append(ours)
            with theirs:
                await self.ask(request, fds=[theirs.fileno()])
        await self.ask(Request.SET_VRING_NUM, VringState(0, 256).pack())
        await self.ask(Request.SET_VRING_BASE, VringState(0, 0).pack())
        await self.ask(Request.SET_VRING_ADDR, self.guest.address(0).pack())
        await self.ask(Request.SET_VRING_CALL, pack_u64(0), [self.call])
        await self.ask(Request.SET_VRING_ERR, pack_u64(0), [self.call])
        await self.ask(Request.SET_VRING_KICK, pack_u64(0), [self.kick])
        await self.ask(Request.SET_VRING_ENABLE, VringState(0, 1).pack())

    async def work(self) -> None:
        """A few frames, by image and by blob, contiguous and scattered."""
        for request in _commands():
            at = BASE + 16 * PAGE
            self.guest.memory.write(at, request)
            reply = at + PAGE
            self.guest.queues[0].add([(at, len(request))], [(reply, _ROOM)], reply)
            os.eventfd_write(self.kick, 1)
            for _ in range(8):
                await asyncio.sleep(0)
            self.guest.queues[0].enable_interrupts()
            found = [self.guest.memory.read(at, 4) for at, _ in self.guest.queues[0].reap()]
            self.answers.append((0, b"".join(found)))

    async def end(self) -> None:
        """Stop in good order."""
        await self.ask(Request.GET_VRING_BASE, VringState(0).pack())
        for other in self.others:
            other.close()
        self.sock.close()
        os.close(self.kick)
        os.close(self.call)
        for _ in range(8):
            await asyncio.sleep(0)

    async def live(self) -> None:
        """From the first message to the last."""
        await self.begin()
        await self.work()
        await self.end()


def _commands() -> list[bytes]:
    run = (BASE + 24 * PAGE, PAGE)
    scattered = [(BASE + n * PAGE, PAGE) for n in (30, 28, 26)]
    blob = SetScanoutBlob(_SCREEN, 0, 2, 32, 32, 2, strides=(128, 0, 0, 0), offsets=(0, 0, 0, 0))
    said: list[tuple[Command, Any, Sequence[tuple[int, int]]]] = [
        (Command.GET_DISPLAY_INFO, None, ()),
        (Command.RESOURCE_CREATE_2D, ResourceCreate2d(1, 2, 32, 32), ()),
        (Command.RESOURCE_ATTACH_BACKING, ResourceAttachBacking(1, 1), [run]),
        (Command.SET_SCANOUT, SetScanout(_SCREEN, 0, 1), ()),
        (Command.TRANSFER_TO_HOST_2D, TransferToHost2d(_SCREEN, 0, 1), ()),
        (Command.RESOURCE_FLUSH, ResourceFlush(_SCREEN, 1), ()),
        (Command.RESOURCE_CREATE_BLOB, ResourceCreateBlob(2, BlobMem.GUEST, 0, 3, 0, 3 * PAGE), scattered),
        (Command.SET_SCANOUT_BLOB, blob, ()),
        (Command.RESOURCE_FLUSH, ResourceFlush(_SCREEN, 2), ()),
        (Command.RESOURCE_CREATE_BLOB, ResourceCreateBlob(3, BlobMem.HOST3D, 0, 0, 0, 4 * PAGE), ()),
    ]
    return [pack(Header(c)) + (pack(body) if body else b"") + pack_entries(runs) for c, body, runs in said]


class House:
    """A process with two guests: one lives in good order, while the calls of the other's device fail."""

    def __init__(self, directory: Path, failing: Failing) -> None:
        self.failing = failing
        self.lines: list[str] = []
        self.raised: list[Any] = []
        self.paths = [directory / "attacked", directory / "honest"]
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: self.raised.append(context))
        self.honest = self._server(1)
        self.honest.start()

    def _server(self, number: int) -> VhostUserServer:
        return VhostUserServer(
            self.paths[number],
            lambda: GpuDevice(RecordingDisplay([DisplayMode(64, 64)]), host_memory=True),
            on_error=self.lines.append,
            pace=AtOnce(),
        )

    async def life(self, number: int, started: Callable[[], None] = lambda: None) -> Heard:
        """A whole life on the server of that number; what its front end heard."""
        with SharedHandle.create(SIZE) as handle:
            guest = Guest(handle)
            try:
                started()
                vmm = Vmm(self.paths[number], guest)
                await vmm.live()
            finally:
                guest.close()
        return vmm.answers

    async def attacked(self, fails_at: int | None, error: int) -> Heard:
        """Start, life and end with a call that fails; nothing is heard if the server did not start."""
        server = self._server(0)

        def start() -> None:
            self.failing.arm(fails_at, error)
            server.start()

        try:
            return await self.life(0, start)
        except Misuse as refusal:
            self.lines.append(str(refusal))
            return []
        finally:
            server.close()


def held() -> tuple[int, int]:
    """Descriptors, and ranges of memory."""
    for thread in threading.enumerate():
        if thread.name == "scanout-close":  # of a descriptor whose kind was not to be learnt
            thread.join()
    gc.collect()
    return held_descriptors(), len(live_ranges())


async def survives(house: House, clean: Heard, fails_at: int, error: int) -> None:
    """One call fails; what changes by that is told, nothing stays, and the other guest does not notice."""
    before = held()
    house.lines.clear()
    heard = await house.attacked(fails_at, error)
    name, _ = house.failing.seen[fails_at]
    assert house.failing.disarm()
    case = f"call {fails_at}, {name}, {errno.errorcode[error]}: {house.lines}"
    assert not house.raised, f"{case}: {house.raised}"
    assert not house.paths[0].exists(), case
    assert all(line.isprintable() for line in house.lines), case
    assert heard == clean or house.lines, case
    assert held() == before, case
    house.lines.clear()
    assert await house.life(1) == clean, case
    assert house.lines == [], case
    assert held() == before, case


async def all_survive(house: House, only: str | None = None) -> tuple[int, int]:
    """Each call fails with each of its errors, or those of one name do; how many calls and failures."""
    clean = await house.attacked(None, 0)
    calls = house.failing.seen
    house.failing.disarm()
    assert len(clean) > 20
    assert None not in clean
    assert house.lines == []
    assert await house.life(1) == clean
    failures = 0
    for number, (name, errors) in enumerate(calls):
        for error in errors if only in (None, name) else ():
            await survives(house, clean, number, error)
            failures += 1
    house.honest.close()
    assert {name for name, _ in calls} >= {"mmap", "fcntl", "readlink", "accept", "recvmsg", "add_reader"}
    return len(calls), failures


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(virtio.accept, "_RETRY_S", 0)
    made = House(tmp_path, Failing(monkeypatch))
    yield made
    made.honest.close()


async def test_each_system_call_of_a_guests_life_fails_once_and_the_other_guest_goes_on(
    house: House,
) -> None:
    calls, failures = await all_survive(house)
    print(f"{calls} system calls; {failures} failures injected, all survived")
    assert failures > calls > 100


def _leaks(handle: SharedHandle) -> SharedHandle:
    return SharedHandle(fcntl.fcntl(handle.fd, fcntl.F_DUPFD_CLOEXEC, 0))


@pytest.mark.parametrize(
    ("owner", "name", "fault", "call"),
    [
        (SharedHandle, "dup", _leaks, "fstat"),
        (Connection, "_tell_of_broken_kick", lambda self, index, error: None, "preadv"),
    ],
)
async def test_what_stays_and_what_is_not_told_is_found(
    house: House, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, fault: Any, call: str
) -> None:
    before = set(os.listdir("/proc/self/fd"))  # noqa: PTH208
    monkeypatch.setattr(owner, name, fault)
    with pytest.raises(AssertionError):
        await all_survive(house, call)
    house.failing.disarm()
    for fd in set(os.listdir("/proc/self/fd")) - before:  # noqa: PTH208
        with suppress(OSError):
            os.close(int(fd))
