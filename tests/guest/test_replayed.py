"""The guest that repeats a recorded one: commands through real rings, buffers at addresses of its own."""

from collections.abc import Iterator

import numpy as np
import pytest

from guest.replayed import ReplayedGuest
from virtio.errors import Misuse
from virtio.features import SPLIT_RING
from virtio.gpu import wire
from virtio.gpu.device import GpuDevice
from virtio.gpu.formats import Format
from virtio.gpu.wire import Command, Header, Rect, Response, pack

OK = pack(Header(Response.OK_NODATA))
REFUSED = pack(Header(Response.ERR_UNSPEC))
SIZE = 32 * 32 * 4


@pytest.fixture
def guest(device: GpuDevice, nothing_left: None) -> Iterator[ReplayedGuest]:
    guest = ReplayedGuest(device)
    yield guest
    guest.close()


def request(command: Command, body: tuple[object, ...], entries: bytes = b"") -> bytes:
    return pack(Header(command)) + pack(body) + entries


def send(
    guest: ReplayedGuest, message: bytes, recorded: bytes = OK, *, size: int = 0, room: int = 24
) -> bytes:
    """The answer; b"" when there is none yet."""
    answers: list[bytes] = []
    guest.send(0, message, max(size, len(message)), room, recorded, answers.append)
    return b"".join(answers)


def blob(resource_id: int = 1) -> bytes:
    """A blob that lies in two pieces, at addresses that the replay does not have."""
    entries = wire.pack_entries([(0x1234000, SIZE // 2), (0x9000, SIZE // 2)])
    return request(
        Command.RESOURCE_CREATE_BLOB, wire.ResourceCreateBlob(resource_id, 1, 0, 2, 0, SIZE), entries
    )


def activate(guest: ReplayedGuest) -> None:
    guest.activate(SPLIT_RING | GpuDevice.features | 1 << 60)


def test_pixels_that_are_written_are_the_devices(guest: ReplayedGuest, display: object) -> None:
    activate(guest)
    assert send(guest, blob()) == OK
    assert guest.write(1, [(0, 4), (SIZE - 4, 4)], b"abcdwxyz")
    whole = Rect(0, 0, 32, 32)
    shown = wire.SetScanoutBlob(whole, 0, 1, 32, 32, Format.B8G8R8X8, 0, (128, 0, 0, 0))
    assert send(guest, request(Command.SET_SCANOUT_BLOB, shown)) == OK
    assert send(guest, request(Command.RESOURCE_FLUSH, wire.ResourceFlush(whole, 1))) == OK
    (frame,) = display.frames  # type: ignore[attr-defined]
    assert frame.tobytes() == b"abcd" + bytes(SIZE - 8) + b"wxyz"


def test_memory_that_is_given_back_comes_again_as_zeros(guest: ReplayedGuest, device: GpuDevice) -> None:
    activate(guest)
    for _ in range(3):
        assert send(guest, blob()) == OK
        buffer = guest._buffers[1][0]
        assert not np.frombuffer(guest._memory.view(*buffer), np.uint8).any()
        guest.write(1, [(0, 3)], b"abc")
        assert send(guest, request(Command.RESOURCE_UNREF, wire.ResourceUnref(1))) == OK
    assert not guest.write(1, [(0, 3)], b"abc")
    assert device.mappings == 0


def test_what_was_refused_is_refused_again(guest: ReplayedGuest) -> None:
    activate(guest)
    assert send(guest, blob(), REFUSED)[:4] == REFUSED[:4]
    assert send(guest, b"short", REFUSED)[:4] == REFUSED[:4]
    assert send(guest, bytes(24), REFUSED, size=100_000_000)[:4] == REFUSED[:4]
    assert send(guest, blob(), REFUSED, room=6) == REFUSED[:6]
    assert send(guest, blob(), REFUSED, room=0) == b""


def test_changes_beyond_a_buffer_are_refused(guest: ReplayedGuest) -> None:
    activate(guest)
    assert send(guest, blob()) == OK
    assert not guest.write(1, [(SIZE - 2, 4)], b"abcd")
    assert not guest.write(2, [(0, 1)], b"a")


def test_one_life_follows_the_other(guest: ReplayedGuest, device: GpuDevice) -> None:
    with pytest.raises(Misuse, match="before its driver had started"):
        send(guest, blob())
    for _ in range(3):
        activate(guest)
        assert send(guest, blob()) == OK
        guest.reset()
        assert device.mappings == 0
    with pytest.raises(Misuse):
        send(guest, blob())
