"""What the kernel is asked for; whether it can is tried out by `importing`."""

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from compositor.errors import ScreenError
from compositor.render.gl import dmabuf
from compositor.render.pages import Pages, Piece


@pytest.fixture
def memfd() -> Iterator[int]:
    fd = os.memfd_create("test")
    yield fd
    os.close(fd)


def test_a_memfd_as_it_is_is_another_descriptor_of_the_same_memory(memfd: int) -> None:
    fd, offset = dmabuf.as_it_is(Pages((Piece(memfd, 8192, 4096),), 100))
    assert fd != memfd
    assert os.path.sameopenfile(fd, memfd)
    assert offset == 8292
    os.close(fd)


def test_scattered_memory_as_it_is_is_no_picture(memfd: int) -> None:
    pieces = (Piece(memfd, 0, 4096), Piece(memfd, 8192, 4096))
    with pytest.raises(ScreenError, match=r"^a memfd in 2 pieces is no picture$"):
        dmabuf.as_it_is(Pages(pieces))


def test_without_the_device_the_error_names_it(monkeypatch: pytest.MonkeyPatch, memfd: int) -> None:
    monkeypatch.setattr(dmabuf, "UDMABUF", "/nowhere/udmabuf")
    with pytest.raises(ScreenError, match=r"^/nowhere/udmabuf: No such file or directory$"):
        dmabuf.by_udmabuf(Pages((Piece(memfd, 0, 4096),)))


def test_udmabuf_is_asked_for_whole_pages_in_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, memfd: int
) -> None:
    """The image begins inside of a page, and ends inside of one."""
    device = tmp_path / "udmabuf"
    device.touch()
    asked: list[bytes] = []

    def ioctl(_fd: int, _request: int, argument: bytearray) -> int:
        asked.append(bytes(argument))
        return 99

    monkeypatch.setattr(dmabuf, "UDMABUF", str(device))
    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    page = mmap.PAGESIZE
    pieces = (Piece(memfd, 5 * page + 64, page - 64), Piece(memfd, 2 * page, 100))
    assert dmabuf.by_udmabuf(Pages(pieces, 16)) == (99, 80)
    assert struct.unpack_from("=II", asked[0]) == (1, 2)  # close on exec; two pieces
    assert struct.unpack_from("=IIQQ", asked[0], 8) == (memfd, 0, 5 * page, page)
    assert struct.unpack_from("=IIQQ", asked[0], 32) == (memfd, 0, 2 * page, page)
