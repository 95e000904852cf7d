"""What is seen: pictures that a device sends to the display socket of vhost-user-gpu.

A device with a display of its own sends none, and these checks are skipped: its pictures are its own affair.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compositor.conform.check import Group
from compositor.conform.guest import Guest
from compositor.conform.rig import Rig
from compositor.conform.verdict import need, require
from virtio.gpu.wire import Command, Rect, ResourceFlush, TransferToHost2d

_GROUP = Group("pictures")
check = _GROUP.check

_WIDTH, _HEIGHT = 64, 48
_STRIDE = _WIDTH * 4
_WHOLE = Rect(0, 0, _WIDTH, _HEIGHT)


def _pattern(seed: int) -> NDArray[np.uint8]:
    """(48, 64, 4) uint8 in which every pixel is another; the last channel is full."""
    pixels = np.empty((_HEIGHT, _WIDTH, 4), np.uint8)
    rows, columns = np.indices((_HEIGHT, _WIDTH))
    pixels[..., 0], pixels[..., 1], pixels[..., 2], pixels[..., 3] = columns, rows, seed, 255
    return pixels


def _flush(guest: Guest, rect: Rect) -> None:
    guest.do(Command.RESOURCE_FLUSH, ResourceFlush(rect, 1))
    guest.settle()


def _shown(rig: Rig, pixels: NDArray[np.uint8], place: Rect = _WHOLE) -> Guest:
    """Resource 1, transferred, shown and flushed in full, on a device that sends pictures."""
    guest = rig.guest()
    guest.make_image(1, _WIDTH, _HEIGHT, pixels.tobytes())
    guest.do(Command.TRANSFER_TO_HOST_2D, TransferToHost2d(_WHOLE, 0, 1))
    guest.show(1, place)
    _flush(guest, _WHOLE)
    need(bool(guest.display.updates), "the device sends no pictures: its display is its own")
    return guest


def _same(guest: Guest, expected: NDArray[np.uint8], what: str) -> None:
    picture = guest.display.pictures.get(0)
    require(picture is not None, f"{what}: no picture of scanout 0")
    assert picture is not None
    require(picture.shape == expected.shape, f"{what}: a picture of {picture.shape}, not {expected.shape}")
    different = (picture[..., :3] != expected[..., :3]).any(axis=2)
    require(
        not different.any(),
        f"{what}: {int(different.sum())} of {different.size} pixels are wrong; the updates were "
        f"(scanout, x, y, width, height): {guest.display.updates}",
    )


@check("5.7.6.2")
def a_flushed_picture_is_seen(rig: Rig) -> None:
    """What was transferred and flushed is what the display gets, pixel by pixel."""
    pixels = _pattern(1)
    _same(_shown(rig, pixels), pixels, "the whole picture")


@check("5.7.6.8")
def a_part_is_transferred_to_its_place(rig: Rig) -> None:
    """A transfer of a part changes that part alone, with the pixels that lie at its offset."""
    before, after = _pattern(1), _pattern(2)
    guest = _shown(rig, before)
    guest.memory.write(guest.backings[1].address, after.tobytes())
    rect = Rect(10, 20, 16, 8)
    transfer = TransferToHost2d(rect, rect.y * _STRIDE + rect.x * 4, 1)
    guest.do(Command.TRANSFER_TO_HOST_2D, transfer)
    _flush(guest, _WHOLE)
    expected = before.copy()
    expected[20:28, 10:26] = after[20:28, 10:26]
    _same(guest, expected, "a part at (10, 20)")


@check("5.7.6.8")
def a_part_at_the_origin_ends_with_its_height(rig: Rig) -> None:
    """A transfer of the upper rows changes no row below."""
    before, after = _pattern(1), _pattern(2)
    guest = _shown(rig, before)
    guest.memory.write(guest.backings[1].address, after.tobytes())
    guest.do(Command.TRANSFER_TO_HOST_2D, TransferToHost2d(Rect(0, 0, _WIDTH, 10), 0, 1))
    _flush(guest, _WHOLE)
    expected = before.copy()
    expected[:10] = after[:10]
    _same(guest, expected, "10 rows from the top")


@check("5.7.6.4")
def a_shown_part_begins_at_its_corner(rig: Rig) -> None:
    """A scanout of a part shows that part from the display's upper left corner on."""
    pixels = _pattern(3)
    guest = _shown(rig, pixels, Rect(32, 16, 32, 32))
    _same(guest, pixels[16:48, 32:64], "a scanout at (32, 16)")


@check("5.7.6.2")
def nothing_is_seen_before_the_transfer(rig: Rig) -> None:
    """What the guest draws without transferring it is not seen, flushed or not."""
    before = _pattern(1)
    guest = _shown(rig, before)
    guest.memory.write(guest.backings[1].address, _pattern(2).tobytes())
    _flush(guest, _WHOLE)
    _same(guest, before, "a flush without a transfer")
