"""TRANSFER_TO_HOST_2D, backings, and UUIDs, to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtio.gpu.wire import (
    Command,
    Rect,
    ResourceAssignUuid,
    ResourceAttachBacking,
    ResourceDetachBacking,
    ResourceUnref,
    Response,
    TransferToHost2d,
)
from virtio.limits import Limits
from virtio.memory import PAGE

if TYPE_CHECKING:
    from tests.virtio.gpu.conftest import Machine, MakeMachine

HIGH = 0x1000_0000
WIDTH, HEIGHT = 64, 48


def source(machine: Machine) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """(48, 64, 4) uint8: random pixels in the resource's backing."""
    pages = machine.array(0, WIDTH * HEIGHT * 4 // PAGE)
    pages[:] = np.random.default_rng(4).integers(0, 256, pages.size, np.uint8)
    return pages.reshape(HEIGHT, WIDTH, 4)


def transfer(machine: Machine, rect: Rect, offset: int | None = None) -> None:
    """As Linux sends it: the offset is that of the rectangle's first pixel."""
    start = (rect.y * WIDTH + rect.x) * 4 if offset is None else offset
    machine.ok(Command.TRANSFER_TO_HOST_2D, TransferToHost2d(rect, start, 2))


@pytest.mark.parametrize(
    "rect", [Rect(0, 0, WIDTH, HEIGHT), Rect(10, 7, 24, 8), Rect(63, 47, 1, 1), Rect(0, 40, WIDTH, 8)]
)
def test_the_rectangle_alone_is_copied_and_counted(machine: Machine, rect: Rect) -> None:
    machine.create_2d(2, WIDTH, HEIGHT)
    machine.show_2d(2, Rect(0, 0, WIDTH, HEIGHT))
    pixels = source(machine)
    transfer(machine, rect)

    inside = slice(rect.y, rect.y + rect.height), slice(rect.x, rect.x + rect.width)
    expected = np.zeros_like(pixels)
    expected[inside] = pixels[inside]
    image = machine.display.images[0]
    assert image is not None
    assert np.array_equal(image.pixels, expected)
    assert machine.device.transfer_bytes == rect.width * rect.height * 4


def test_the_offset_is_taken_as_it_is(machine: Machine) -> None:
    """The rectangle says where to, the offset alone says where from."""
    machine.create_2d(2, WIDTH, HEIGHT)
    machine.show_2d(2, Rect(0, 0, WIDTH, HEIGHT))
    pixels = source(machine)
    transfer(machine, Rect(8, 8, 16, 4), offset=(20 * WIDTH + 3) * 4 + 1)
    flat = pixels.reshape(-1)[1:]
    image = machine.display.images[0]
    assert image is not None
    for row in range(4):
        begin = ((20 + row) * WIDTH + 3) * 4
        assert image.pixels[8 + row, 8:24].tobytes() == flat[begin : begin + 64].tobytes()


@pytest.mark.parametrize("limits", [Limits(), Limits(mappings=0)], ids=["mapped", "copied from pieces"])
def test_a_scattered_backing_gives_the_same_pixels(make_machine: MakeMachine, limits: Limits) -> None:
    machine = make_machine(limits=limits)
    machine.create_2d(2, WIDTH, HEIGHT, page=None)
    order = [2, 0, 1]
    machine.ok(Command.RESOURCE_ATTACH_BACKING, ResourceAttachBacking(2, 3), machine.pages(*order))
    machine.show_2d(2, Rect(0, 0, WIDTH, HEIGHT))
    pixels = source(machine).reshape(3, 16, WIDTH, 4)[order].reshape(HEIGHT, WIDTH, 4)
    for rect in (Rect(1, 10, 30, 30), Rect(0, 0, WIDTH, HEIGHT)):
        transfer(machine, rect)
    image = machine.display.images[0]
    assert image is not None
    assert np.array_equal(image.pixels, pixels)
    assert not image.zero_copy


def test_an_empty_rectangle_copies_nothing(machine: Machine) -> None:
    machine.create_2d(2, WIDTH, HEIGHT)
    for rect in (Rect(0, 0, 0, 48), Rect(0, 0, 64, 0)):
        transfer(machine, rect, offset=1 << 63)
    assert machine.device.transfer_bytes == 0


@given(data=st.data())
def test_no_transfer_reads_beyond_the_backing(make_machine_once: MakeMachine, data: st.DataObject) -> None:
    machine = make_machine_once()
    held = data.draw(st.integers(1, 3 * PAGE))
    machine.create_2d(2, WIDTH, HEIGHT, page=None)
    machine.ok(Command.RESOURCE_ATTACH_BACKING, ResourceAttachBacking(2, 1), [(HIGH, held)])
    x, y = data.draw(st.integers(0, WIDTH - 1)), data.draw(st.integers(0, HEIGHT - 1))
    rect = Rect(x, y, data.draw(st.integers(1, WIDTH - x)), data.draw(st.integers(1, HEIGHT - y)))
    offset = data.draw(st.integers(0, 4 * PAGE))
    reply = machine.send(Command.TRANSFER_TO_HOST_2D, TransferToHost2d(rect, offset, 2))
    needed = offset + (rect.height - 1) * WIDTH * 4 + rect.width * 4
    assert reply.response == (Response.OK_NODATA if needed <= held else Response.ERR_INVALID_PARAMETER)
    machine.ok(Command.RESOURCE_UNREF, ResourceUnref(2))


def test_a_backing_is_attached_again_after_it_was_detached(machine: Machine) -> None:
    machine.create_2d(2, WIDTH, HEIGHT)
    machine.ok(Command.RESOURCE_DETACH_BACKING, ResourceDetachBacking(2))
    assert machine.device.mappings == 0
    machine.ok(Command.RESOURCE_ATTACH_BACKING, ResourceAttachBacking(2, 1), [(HIGH + 8 * PAGE, 3 * PAGE)])
    machine.array(8, 3)[:] = 5
    transfer(machine, Rect(0, 0, WIDTH, HEIGHT))
    machine.show_2d(2, Rect(0, 0, WIDTH, HEIGHT))
    image = machine.display.images[0]
    assert image is not None
    assert np.unique(image.pixels).tolist() == [5]


def test_what_a_resource_held_is_given_back(machine: Machine) -> None:
    for resource_id in range(1, 50):
        machine.create_2d(resource_id, WIDTH, HEIGHT)
        assert machine.device.host_memory_bytes == WIDTH * HEIGHT * 4
        assert machine.device.mappings == 1
        machine.ok(Command.RESOURCE_UNREF, ResourceUnref(resource_id))
    assert (machine.device.host_memory_bytes, machine.device.mappings) == (0, 0)


def test_a_uuid_stays_the_same_for_a_resource_and_differs_between_resources(machine: Machine) -> None:
    machine.create_2d(2, WIDTH, HEIGHT)
    machine.create_blob(3, machine.pages(8))
    uuids = [
        machine.ok(Command.RESOURCE_ASSIGN_UUID, ResourceAssignUuid(number)).body for number in (2, 3, 2)
    ]
    assert uuids[0] == uuids[2] != uuids[1]
    machine.ok(Command.RESOURCE_UNREF, ResourceUnref(2))
    machine.create_2d(2, WIDTH, HEIGHT)
    assert machine.ok(Command.RESOURCE_ASSIGN_UUID, ResourceAssignUuid(2)).body not in uuids
