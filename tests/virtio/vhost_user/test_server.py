from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from virtio.account import Account
from virtio.errors import Misuse
from virtio.limits import Limits
from virtio.vhost_user.frontend import VhostUserFrontend
from virtio.vhost_user.messages import Message, Request
from virtio.vhost_user.server import VhostUserServer

if TYPE_CHECKING:
    from tests.virtio.vhost_user.conftest import EchoDevice, Guest, Serve


async def echo(frontend: VhostUserFrontend, guest: Guest, text: bytes) -> bytes:
    """Set up one queue and use it once."""
    heard = asyncio.Event()
    await frontend.negotiate()
    await frontend.set_memory(guest.memory)
    await frontend.start_queue(0, guest.config(0), heard.set)
    guest.submit(0, text)
    frontend.kick(0)
    await asyncio.wait_for(heard.wait(), 10)
    return guest.answers(0)[0]


async def test_each_front_end_gets_a_fresh_device(serve: Serve, guest: Guest) -> None:
    served = serve()
    for life in range(3):
        guest.renew(0)
        async with await VhostUserFrontend.connect(served.server.path) as frontend:
            assert await echo(frontend, guest, b"life %d" % life) == b"life %d" % life
            assert served.connected == served.devices[: life + 1]
            assert len(served.disconnected) == life
        await served.until_gone()
    assert len(served.devices) == 3
    assert served.disconnected == served.devices
    assert all(device.events == ["activate", "reset"] for device in served.devices)
    assert served.errors == []


async def test_several_servers_share_one_loop(serve: Serve, guest: Guest) -> None:
    left, right = serve("left"), serve("right")
    async with (
        await VhostUserFrontend.connect(left.server.path) as one,
        await VhostUserFrontend.connect(right.server.path) as two,
    ):
        assert await echo(one, guest, b"left") == b"left"
        guest.renew(0)
        assert await echo(two, guest, b"right") == b"right"
    assert left.devices[0].served == [b"left"]
    assert right.devices[0].served == [b"right"]


async def test_a_second_front_end_is_turned_away(serve: Serve, guest: Guest) -> None:
    served = serve()
    async with await VhostUserFrontend.connect(served.server.path) as first:
        await first.negotiate()
        async with await VhostUserFrontend.connect(served.server.path) as second:
            gone = asyncio.Event()
            second.on_close = gone.set
            await second.dialogue.request(Request.SET_OWNER)
            await asyncio.wait_for(gone.wait(), 10)
        assert served.errors == [
            f"{served.server.path}: a second front end was turned away: one guest is served at a time"
        ]
        assert await echo(first, guest, b"still here") == b"still here"
    assert len(served.devices) == 1


async def test_a_restarted_front_end_need_not_wait_for_the_old_ones_end(serve: Serve) -> None:
    """Both are ready at once, in any order: the new one's first bytes and the old one's last."""
    served = serve()
    old = await VhostUserFrontend.connect(served.server.path)
    await old.negotiate()
    fresh = socket.socket(socket.AF_UNIX)
    fresh.connect(str(served.server.path))
    while len(served.server._connections) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0)
    (newcomer,) = served.server._connections - {served.server.connection}
    assert served.server.admit(newcomer) is None
    old.close()
    assert served.server.admit(newcomer) is served.devices[1]
    assert served.disconnected == [served.devices[0]]
    fresh.close()


async def test_once_means_once_also_for_a_front_end_that_was_restarted(serve: Serve) -> None:
    served = serve(once=True)
    old = await VhostUserFrontend.connect(served.server.path)
    await old.negotiate()
    connection = served.server.connection
    assert connection is not None
    old.close()
    assert served.server.admit(connection) is None
    await asyncio.wait_for(served.server.wait_closed(), 10)
    assert len(served.devices) == 1


async def test_a_peer_that_says_nothing_counts_for_nothing(serve: Serve, guest: Guest) -> None:
    served = serve(once=True)
    for _ in range(3):
        probe = socket.socket(socket.AF_UNIX)
        probe.connect(str(served.server.path))
        probe.close()
    silent = socket.socket(socket.AF_UNIX)
    silent.connect(str(served.server.path))
    async with await VhostUserFrontend.connect(served.server.path) as frontend:
        assert await echo(frontend, guest, b"x") == b"x"
    await asyncio.wait_for(served.server.wait_closed(), 10)
    silent.close()
    assert len(served.devices) == 1
    assert served.errors == []


async def test_once_ends_with_the_first_front_end_and_removes_the_socket(serve: Serve, guest: Guest) -> None:
    served = serve(once=True)
    async with await VhostUserFrontend.connect(served.server.path) as frontend:
        assert await echo(frontend, guest, b"x") == b"x"
        assert not served.server._closed.is_set()
    await asyncio.wait_for(served.server.wait_closed(), 10)
    assert not served.server.path.exists()
    assert served.connected == served.disconnected == served.devices


async def test_closing_ends_connections_and_removes_the_socket(serve: Serve, guest: Guest) -> None:
    served = serve()
    async with await VhostUserFrontend.connect(served.server.path) as frontend:
        await echo(frontend, guest, b"x")
        gone = asyncio.Event()
        frontend.on_close = gone.set
        served.server.close()
        served.server.close()
        await asyncio.wait_for(gone.wait(), 10)
    assert served.devices[0].events == ["activate", "reset"]
    assert not served.server.path.exists()
    await served.server.wait_closed()


async def test_many_silent_connections_are_bounded(
    serve: Serve, turns: Callable[[], Awaitable[None]]
) -> None:
    served = serve()
    crowd = [socket.socket(socket.AF_UNIX) for _ in range(40)]
    for sock in crowd:
        sock.setblocking(False)
        while sock.connect_ex(str(served.server.path)):  # noqa: ASYNC110
            await asyncio.sleep(0)
    await turns()
    assert len(served.server._connections) < 20
    for sock in crowd:
        sock.close()


async def test_a_socket_in_use_is_refused_and_its_server_undisturbed(serve: Serve, guest: Guest) -> None:
    served = serve(once=True)
    path = served.server.path
    other = VhostUserServer(path, lambda: served.devices[0], on_error=served.errors.append)
    with pytest.raises(
        Misuse, match=f"^cannot listen on {path}: another server listens there; stop it or choose"
    ):
        other.start()
    async with await VhostUserFrontend.connect(path) as frontend:
        assert await echo(frontend, guest, b"x") == b"x"
    await asyncio.wait_for(served.server.wait_closed(), 10)


async def test_a_stale_socket_is_replaced(serve: Serve, tmp_path: Path, guest: Guest) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "gpu"))
    served = serve()
    async with await VhostUserFrontend.connect(served.server.path) as frontend:
        assert await echo(frontend, guest, b"x") == b"x"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("file", "it exists and is no socket; choose another path"),
        ("missing/gpu", "there is no directory .*/missing; create it first"),
        ("file/gpu", "Not a directory; choose another path"),
        ("x" * 107, "the path has [0-9]+ bytes, a socket's has at most 107; choose a shorter one"),
    ],
)
async def test_a_path_that_cannot_be_a_socket_is_refused(tmp_path: Path, name: str, line: str) -> None:
    (tmp_path / "file").write_text("not a socket")
    server = VhostUserServer(tmp_path / name, lambda: pytest.fail("no device is needed"), on_error=print)
    with pytest.raises(Misuse, match=f"^cannot listen on {tmp_path / name}: {line}$"):
        server.start()
    assert (tmp_path / "file").read_text() == "not a socket"
    server.close()


async def test_a_socket_that_may_not_be_asked_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gpu"
    with socket.socket(socket.AF_UNIX) as foreign:
        foreign.bind(str(path))
    monkeypatch.setattr(socket.socket, "connect_ex", lambda _self, _path: 13)
    server = VhostUserServer(path, lambda: pytest.fail("no device is needed"), on_error=print)
    with pytest.raises(Misuse, match="Permission denied; choose another path"):
        server.start()
    assert path.exists()


async def test_a_socket_that_is_no_longer_ours_is_left_alone(tmp_path: Path, device: EchoDevice) -> None:
    path = tmp_path / "gpu"
    async with VhostUserServer(path, lambda: device, on_error=print):
        path.unlink()
        path.write_text("another program's")
    assert path.read_text() == "another program's"


async def test_a_socket_that_was_removed_is_no_matter(tmp_path: Path, device: EchoDevice) -> None:
    path = tmp_path / "gpu"
    async with VhostUserServer(path, lambda: device, on_error=print):
        path.unlink()
    assert not path.exists()


async def test_connections_that_cannot_be_accepted_are_one_line_and_wait(
    serve: Serve, guest: Guest, monkeypatch: pytest.MonkeyPatch, turns: Callable[[], Awaitable[None]]
) -> None:
    """As when no descriptor is left: the loop must not spin over those that wait, nor say so each time."""
    tried: list[socket.socket] = []

    def fail(listener: socket.socket) -> None:
        tried.append(listener)
        raise OSError(24, os.strerror(24))

    served = serve()
    with monkeypatch.context() as patched, socket.socket(socket.AF_UNIX) as waiting:
        patched.setattr(socket.socket, "accept", fail)
        waiting.connect(str(served.server.path))
        await turns()
        assert len(tried) == 1
        patched.setattr("virtio.accept._RETRY_S", 0)
        assert served.server._acceptor is not None
        served.server._acceptor._listen()
        await turns()
        assert len(tried) > 2
    assert served.errors == [
        f"{served.server.path}: cannot accept a connection: Too many open files; trying again every second"
    ]
    async with await VhostUserFrontend.connect(served.server.path) as frontend:
        assert await echo(frontend, guest, b"x") == b"x"


async def test_silent_connections_shut_no_front_end_out(
    serve: Serve, guest: Guest, turns: Callable[[], Awaitable[None]]
) -> None:
    served = serve()
    crowd = [socket.socket(socket.AF_UNIX) for _ in range(17)]
    for sock in crowd:
        sock.connect(str(served.server.path))
        await turns()
    async with await VhostUserFrontend.connect(served.server.path) as frontend:
        assert await echo(frontend, guest, b"x") == b"x"
    assert crowd[0].recv(1) == b"", "the oldest has to go"
    for sock in crowd:
        sock.close()


async def test_a_silent_connection_has_to_go_after_a_while(
    serve: Serve,
) -> None:
    served = serve(account=Account(Limits(first_message=0)))
    reader, writer = await asyncio.open_unix_connection(str(served.server.path))
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()


async def test_less_than_a_message_does_not_end_a_server_for_once(serve: Serve, guest: Guest) -> None:
    served = serve(once=True)
    for said in (b"\1", Message(Request.SET_MEM_TABLE, bytes(8)).encode()[:15], b"GET / HTTP/1.1\r\n"):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(str(served.server.path))
            stranger.send(said)
    async with await VhostUserFrontend.connect(served.server.path) as frontend:
        assert await echo(frontend, guest, b"x") == b"x"
    await asyncio.wait_for(served.server.wait_closed(), 10)
    assert len(served.devices) == 1
    assert [line.partition(": request")[2] for line in served.errors] == [
        " 542393671: message version 3, expected 1; the connection is closed"
    ]


@pytest.mark.parametrize("umask", [0, 0o077, 0o002])
async def test_a_socket_is_its_owners_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        async with VhostUserServer(tmp_path / "gpu", pytest.fail, on_error=pytest.fail) as server:
            assert server.path.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


async def test_a_device_that_cannot_be_made_ends_the_connection(tmp_path: Path) -> None:
    problems: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: problems.append(context["message"])
    )

    def fail() -> EchoDevice:
        raise Misuse("no display")

    async with VhostUserServer(tmp_path / "gpu", fail, on_error=problems.append) as server:
        async with await VhostUserFrontend.connect(server.path) as frontend:
            gone = asyncio.Event()
            frontend.on_close = gone.set
            await frontend.dialogue.request(Request.SET_OWNER)
            await asyncio.wait_for(gone.wait(), 10)
        assert server.connection is None
    assert len(problems) == 1


async def test_an_owner_that_knows_better_why_a_front_end_broke_off_is_asked(
    tmp_path: Path, device: EchoDevice
) -> None:
    lost: list[str] = []
    async with VhostUserServer(
        tmp_path / "gpu", lambda: device, on_error=pytest.fail, on_lost=lost.append, once=True
    ) as server:
        with socket.socket(socket.AF_UNIX) as frontend:
            frontend.connect(str(server.path))
            frontend.send(Message(Request.SET_OWNER).encode() + bytes(5))  # not a whole header
        await asyncio.wait_for(server.wait_closed(), 10)
    assert lost == ["connection ended in a message header, after 5 of 12 bytes"]


@pytest.mark.parametrize("method", ["process", "activate", "reset"])
async def test_whatever_a_device_raises_ends_its_connection_and_no_other(
    serve: Serve, guest: Guest, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: object) -> None:
        raise IndexError("list index\nout of range")

    left, right = serve("left"), serve("right")
    async with await VhostUserFrontend.connect(right.server.path) as other:
        async with await VhostUserFrontend.connect(left.server.path) as broken:
            await broken.negotiate()
            monkeypatch.setattr(left.devices[0], method, explode)
            use = asyncio.create_task(echo(broken, guest, b"left"))
            if method == "reset":
                await use
                broken.close()
            await left.until_gone()
            use.cancel()
            await asyncio.gather(use, return_exceptions=True)
        (line,) = left.errors
        assert "IndexError: list index out of range (test_server.py, line" in line
        guest.renew(0)
        assert await echo(other, guest, b"right") == b"right"
    guest.renew(0)
    async with await VhostUserFrontend.connect(left.server.path) as following:
        assert await echo(following, guest, b"left again") == b"left again"
    assert right.errors == []


CONNECT = """
import socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
sock.settimeout(0.2 if sys.argv[2] == "let in" else 30)
try:
    print(sock.recv(1))
except TimeoutError:
    print("let in")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="the process of another user needs root to start")
@pytest.mark.parametrize("allowed", [False, True], ids=["refused", "let in"])
async def test_another_users_process_is_refused_unless_it_was_allowed(serve: Serve, allowed: bool) -> None:
    """The kernel notes who connects: a mode that was changed by hand does not help."""
    user = 65_534
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        served = serve(f"{folder}/gpu", users=[user] if allowed else [])
        if not allowed:
            served.server.path.chmod(0o666)
        process = await asyncio.create_subprocess_exec(
            "python3",
            "-c",
            CONNECT,
            str(served.server.path),
            "let in" if allowed else "refused",
            user=user,
            cwd="/",
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
    assert said == (b"let in\n" if allowed else b"b''\n")
    line = f"a connection of user {user} was refused; --allow-user {user} allows it"
    assert served.errors == ([] if allowed else [f"{served.server.path}: {line}"])


async def test_a_user_is_refused_by_number(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    served = serve()
    assert served.server._acceptor is not None
    monkeypatch.setattr(served.server._acceptor._listener, "_users", frozenset())
    for _ in range(2):
        reader, writer = await asyncio.open_unix_connection(str(served.server.path))
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
    assert len(served.errors) == 1, "once"
