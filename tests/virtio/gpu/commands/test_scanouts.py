"""SET_SCANOUT, SET_SCANOUT_BLOB and RESOURCE_FLUSH: what the display gets to see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtio.gpu.display import DisplayMode
from virtio.gpu.formats import Format
from virtio.gpu.scanout import DISABLED, Bound, BoundBlob
from virtio.gpu.wire import (
    BlobFlag,
    BlobMem,
    Command,
    Rect,
    ResourceAttachBacking,
    ResourceCreateBlob,
    ResourceDetachBacking,
    ResourceFlush,
    ResourceUnref,
    Response,
    SetScanout,
)
from virtio.limits import Limits
from virtio.memory import PAGE

if TYPE_CHECKING:
    from tests.virtio.gpu.conftest import Machine, MakeMachine

THREE = [DisplayMode(64, 48, x=64 * index) for index in range(3)]


def pixels(machine: Machine, scanout: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    image = machine.display.images[scanout]
    assert image is not None
    return image.pixels


@pytest.mark.parametrize("pixel_format", Format, ids=lambda known: known.fourcc)
def test_a_blob_is_shown_in_every_format_without_a_copy(machine: Machine, pixel_format: Format) -> None:
    machine.create_blob(5, machine.pages(3, 1, 7, 8))
    machine.show_blob(5, 64, 64, pixel_format=pixel_format)
    machine.array(1, 1)[4:8] = [1, 2, 3, 4]
    image = machine.display.images[0]
    assert image is not None
    assert (image.resource_id, image.format, image.zero_copy) == (5, pixel_format, True)
    assert image.pixels.shape == (64, 64, 4)
    assert image.pixels[16, 1].tolist() == [1, 2, 3, 4]
    assert not image.pixels.flags.writeable


@given(
    offset=st.integers(0, 300),
    padding=st.integers(0, 70),
    rect=st.builds(Rect, st.integers(0, 20), st.integers(0, 10), st.integers(16, 40), st.integers(16, 30)),
)
def test_stride_offset_and_rectangle_place_each_pixel(
    make_machine_once: MakeMachine, offset: int, padding: int, rect: Rect
) -> None:
    machine = make_machine_once()
    x, y, width, height = rect
    machine.create_blob(5, machine.pages(3, 1, 7, 8))
    data = np.random.default_rng(5).integers(0, 256, 4 * PAGE, np.uint8)
    for index, page in enumerate((3, 1, 7, 8)):
        machine.array(page, 1)[:] = data[index * PAGE :][:PAGE]
    stride = 4 * (x + width) + padding
    machine.show_blob(5, x + width, y + height, rect=rect, stride=stride, offset=offset)
    shown = pixels(machine)
    for row, column in ((0, 0), (height - 1, width - 1), (height // 2, width // 2)):
        place = offset + (y + row) * stride + 4 * (x + column)
        assert shown[row, column].tobytes() == data[place : place + 4].tobytes()
    machine.ok(Command.RESOURCE_UNREF, ResourceUnref(5))


def test_a_scanout_shows_nothing_new_before_the_flush_tells_it(machine: Machine) -> None:
    machine.create_blob(5, machine.pages(0, 1, 2, 3))
    machine.show_blob(5, 64, 64)
    machine.flush(5, Rect(2, 3, 10, 100))
    assert machine.display.calls == [("set_scanout", 0, True), ("flush", 0, Rect(2, 3, 10, 61))]


def test_two_buffers_take_turns(machine: Machine) -> None:
    for resource_id in (5, 6):
        machine.create_blob(resource_id, machine.pages(*range(4 * resource_id, 4 * resource_id + 4)))
        machine.array(4 * resource_id, 4)[:] = resource_id
    for frame in range(4):
        resource_id = 5 + frame % 2
        machine.show_blob(resource_id, 64, 64)
        machine.flush(resource_id, Rect(0, 0, 64, 64))
        assert np.unique(pixels(machine)).tolist() == [resource_id]
    assert machine.device.transfer_bytes == 0
    assert (
        machine.send(Command.RESOURCE_FLUSH, ResourceFlush(Rect(0, 0, 64, 64), 5)).response
        == Response.OK_NODATA
    )
    assert len(machine.display.flushes) == 4


def test_one_flush_serves_every_scanout_that_it_touches(make_machine: MakeMachine) -> None:
    """One wide image panned over the monitors; damage is clipped and relative to each."""
    machine = make_machine(THREE)
    machine.create_2d(2, 192, 48)
    for scanout in range(3):
        machine.show_2d(2, Rect(64 * scanout, 0, 64, 48), scanout)
    machine.flush(2, Rect(60, 40, 8, 8))
    machine.flush(2, Rect(0, 0, 192, 48))
    machine.flush(2, Rect(130, 0, 1, 1))
    whole = Rect(0, 0, 64, 48)
    assert machine.display.flushes == [
        (0, Rect(60, 40, 4, 8)),
        (1, Rect(0, 40, 4, 8)),
        (0, whole),
        (1, whole),
        (2, whole),
        (2, Rect(2, 0, 1, 1)),
    ]


def test_one_blob_is_shown_on_several_scanouts(make_machine: MakeMachine) -> None:
    machine = make_machine(THREE)
    machine.create_blob(5, [(0x1000_0000, 192 * 48 * 4)])
    machine.array(0, 9).reshape(48, 192, 4)[:] = np.arange(192, dtype=np.uint8)[None, :, None]
    for scanout in range(3):
        machine.show_blob(5, 192, 48, rect=Rect(64 * scanout, 0, 64, 48), scanout=scanout)
    assert [int(pixels(machine, scanout)[7, 0, 0]) for scanout in range(3)] == [0, 64, 128]
    machine.flush(5, Rect(100, 0, 50, 10))
    assert machine.display.flushes == [(1, Rect(36, 0, 28, 10)), (2, Rect(0, 0, 22, 10))]


def test_disabling_is_told_at_once_and_once(machine: Machine) -> None:
    machine.create_2d(2, 64, 48)
    machine.show_2d(2, Rect(0, 0, 64, 48))
    for _ in range(2):
        machine.ok(Command.SET_SCANOUT, SetScanout(Rect(0, 0, 800, 600), 0, 0))
    assert machine.display.calls == [("set_scanout", 0, True), ("set_scanout", 0, False)]
    machine.flush(2, Rect(0, 0, 64, 48))
    assert machine.display.flushes == []


def test_unref_of_what_is_shown_disables_the_scanouts(make_machine: MakeMachine) -> None:
    machine = make_machine(THREE)
    machine.create_2d(2, 192, 48)
    machine.create_2d(3, 64, 48)
    machine.show_2d(2, Rect(0, 0, 64, 48), 0)
    machine.show_2d(2, Rect(64, 0, 64, 48), 2)
    machine.show_2d(3, Rect(0, 0, 64, 48), 1)
    held = pixels(machine, 0)
    machine.ok(Command.RESOURCE_UNREF, ResourceUnref(2))
    assert [machine.display.images[scanout] is None for scanout in range(3)] == [True, False, True]
    assert not held.any(), "what the display still holds stays valid"
    assert machine.device.host_memory_bytes == 64 * 48 * 4


def test_a_live_blob_is_blank_while_detached_and_then_shows_its_new_pages(machine: Machine) -> None:
    """Linux moves a PRIME import's pages so, and flushes without setting the scanout anew."""
    machine.create_blob(5, machine.pages(0, 1, 2, 3))
    machine.show_blob(5, 64, 64)
    machine.ok(Command.RESOURCE_DETACH_BACKING, ResourceDetachBacking(5))
    assert machine.display.images[0] is None
    assert machine.device.mappings == 0
    machine.flush(5, Rect(0, 0, 64, 64))
    assert machine.display.flushes == []

    machine.array(8, 4)[:] = 8
    machine.ok(Command.RESOURCE_ATTACH_BACKING, ResourceAttachBacking(5, 4), machine.pages(11, 9, 8, 10))
    machine.flush(5, Rect(0, 0, 64, 64))
    assert np.unique(pixels(machine)).tolist() == [8]
    assert machine.display.flushes == [(0, Rect(0, 0, 64, 64))]


def test_a_blob_may_get_its_pages_after_it_was_created(machine: Machine) -> None:
    """For drivers that swap pages in and out (virtio 1.3, 5.7.6.8)."""
    machine.ok(
        Command.RESOURCE_CREATE_BLOB,
        ResourceCreateBlob(5, BlobMem.GUEST, BlobFlag.USE_SHAREABLE, 0, 0, 4 * PAGE),
    )
    layout = machine.scanout_blob(5, 64, 64)
    assert machine.send(Command.SET_SCANOUT_BLOB, layout).response == Response.ERR_UNSPEC
    machine.array(8, 4)[:] = 8
    machine.ok(Command.RESOURCE_ATTACH_BACKING, ResourceAttachBacking(5, 4), machine.pages(11, 9, 8, 10))
    machine.show_blob(5, 64, 64)
    assert np.unique(pixels(machine)).tolist() == [8]
    machine.ok(Command.RESOURCE_UNREF, ResourceUnref(5))


def test_new_pages_that_are_too_few_disable_the_scanout(machine: Machine) -> None:
    machine.create_blob(5, machine.pages(0, 1, 2, 3))
    machine.show_blob(5, 64, 64)
    machine.ok(Command.RESOURCE_DETACH_BACKING, ResourceDetachBacking(5))
    machine.ok(Command.RESOURCE_ATTACH_BACKING, ResourceAttachBacking(5, 1), machine.pages(9))
    assert machine.display.images[0] is None
    machine.flush(5, Rect(0, 0, 64, 64))
    assert machine.display.flushes == []


def test_attaching_and_detaching_leaves_other_scanouts_alone(make_machine: MakeMachine) -> None:
    machine = make_machine(THREE)
    machine.create_blob(5, machine.pages(0, 1, 2, 3))
    machine.create_blob(6, machine.pages(4, 5, 6, 7))
    machine.create_2d(2, 64, 48)
    machine.show_blob(6, 64, 64, scanout=0)
    machine.show_2d(2, Rect(0, 0, 64, 48), 1)
    calls = len(machine.display.calls)
    machine.ok(Command.RESOURCE_DETACH_BACKING, ResourceDetachBacking(5))
    machine.ok(Command.RESOURCE_ATTACH_BACKING, ResourceAttachBacking(5, 1), machine.pages(8))
    assert len(machine.display.calls) == calls


def test_a_2d_resource_stays_visible_without_its_backing(machine: Machine) -> None:
    machine.create_2d(2, 64, 48)
    machine.show_2d(2, Rect(0, 0, 64, 48))
    machine.ok(Command.RESOURCE_DETACH_BACKING, ResourceDetachBacking(2))
    machine.flush(2, Rect(0, 0, 64, 48))
    assert machine.display.flushes == [(0, Rect(0, 0, 64, 48))]


def test_a_blob_that_cannot_be_mapped_is_copied_at_each_flush_and_counted(make_machine: MakeMachine) -> None:
    machine = make_machine(limits=Limits(mappings=1))
    machine.create_blob(5, machine.pages(4, 2, 0, 6))
    held = machine.device.host_memory_bytes
    machine.array(2, 1)[:] = 7
    machine.show_blob(5, 64, 64)
    image = machine.display.images[0]
    assert image is not None
    assert not image.zero_copy
    assert machine.device.transfer_bytes == 0
    machine.flush(5, Rect(0, 0, 1, 1))
    assert machine.device.transfer_bytes == 64 * 64 * 4, "the first flush brings all of it"
    assert np.unique(image.pixels[16:32]).tolist() == [7]

    machine.array(2, 1)[:] = 8
    machine.flush(5, Rect(0, 16, 64, 2))
    assert machine.device.transfer_bytes == 64 * 64 * 4 + 64 * 2 * 4
    assert np.unique(image.pixels[16:18]).tolist() == [8]
    assert np.unique(image.pixels[18:32]).tolist() == [7]

    assert machine.device.host_memory_bytes == held + 64 * 64 * 4
    machine.ok(Command.SET_SCANOUT, SetScanout(Rect(0, 0, 0, 0), 0, 0))
    assert machine.device.host_memory_bytes == held


def test_a_refused_scanout_leaves_what_was_shown(machine: Machine) -> None:
    machine.create_blob(5, machine.pages(0, 1, 2, 3))
    machine.show_blob(5, 64, 64)
    body = machine.scanout_blob(5, 64, 64, offset=4)
    assert machine.send(Command.SET_SCANOUT_BLOB, body).response == Response.ERR_INVALID_PARAMETER
    machine.flush(5, Rect(0, 0, 64, 64))
    assert machine.display.flushes == [(0, Rect(0, 0, 64, 64))]


def test_a_scanout_is_one_of_three_things(make_machine: MakeMachine) -> None:
    machine = make_machine(THREE)
    machine.create_2d(2, 64, 48)
    machine.create_blob(5, machine.pages(4, 5, 6, 7))
    machine.show_2d(2, Rect(0, 0, 64, 48), 1)
    machine.show_blob(5, 64, 64, scanout=2)
    assert machine.device.scanouts[0] is DISABLED
    assert isinstance(machine.device.scanouts[1], Bound)
    assert isinstance(machine.device.scanouts[2], BoundBlob)


def test_a_scanout_larger_than_displays_show_is_refused(make_machine: MakeMachine) -> None:
    """What displays cannot turn or blend must not get as far as a flush."""
    machine = make_machine(THREE, limits=Limits(dimension=64))
    machine.create_blob(5, machine.pages(*range(8)))
    machine.show_blob(5, 64, 64)
    for size in ((65, 16), (16, 65)):
        refused = machine.send(Command.SET_SCANOUT_BLOB, machine.scanout_blob(5, *size)).response
        assert refused == Response.ERR_INVALID_PARAMETER
    machine.flush(5, Rect(0, 0, 64, 64))
    assert machine.display.flushes == [(0, Rect(0, 0, 64, 64))]
