"""Commits between their fences."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from guest.driver.atomic import CommitRefused, Crtc, CrtcState, CursorState
from guest.driver.framebuffer import Framebuffer
from virtio.fence import Fence, Usage
from virtio.gpu.formats import Format
from virtio.gpu.wire import Rect

if TYPE_CHECKING:
    from tests.guest.conftest import Rig

SIZE = (48, 32)


def framebuffer(
    rig: Rig, size: tuple[int, int] = SIZE, pixel_format: Format = Format.B8G8R8X8
) -> Framebuffer:
    return Framebuffer(rig.driver, size, pixel_format)


@pytest.fixture
def crtc(rig: Rig) -> Crtc:
    rig.driver.probe()
    return Crtc(rig.driver, 0)


def test_nothing_is_shown_before_the_in_fence_has_signalled(rig: Rig, crtc: Crtc) -> None:
    gate, picture = Fence(), framebuffer(rig)
    flip = crtc.commit(CrtcState(picture, gate))
    assert flip is not None
    assert rig.display.frames == []
    assert crtc.busy
    gate.signal()
    assert len(rig.display.frames) == 1
    assert flip.out.signaled
    assert not crtc.busy


def test_without_an_in_fence_it_waits_for_who_writes_to_the_picture(rig: Rig, crtc: Crtc) -> None:
    writer, picture = Fence(), framebuffer(rig)
    picture.reservation.add(writer, Usage.WRITE)
    picture.reservation.add(Fence(), Usage.READ)
    crtc.commit(CrtcState(picture))
    assert rig.display.frames == []
    writer.signal()
    assert len(rig.display.frames) == 1


def test_an_in_fence_that_failed_is_counted_and_stops_nothing(rig: Rig, crtc: Crtc) -> None:
    gate = Fence()
    crtc.commit(CrtcState(framebuffer(rig), gate))
    gate.signal(-errno.ETIME)
    assert len(rig.display.frames) == 1
    assert crtc.failed_fences == {"ETIME": 1}


def test_the_out_fence_waits_for_the_device(rig: Rig, crtc: Crtc) -> None:
    rig.display.hold = True
    flip = crtc.commit(CrtcState(framebuffer(rig)))
    assert flip is not None
    assert not flip.out.signaled
    rig.display.fences[0].signal()
    rig.transport.poll()
    assert flip.out.signaled


def test_a_second_flip_meanwhile_is_refused_and_changes_nothing(rig: Rig, crtc: Crtc) -> None:
    crtc.commit(CrtcState(framebuffer(rig), Fence()))
    with pytest.raises(CommitRefused, match=r"EBUSY.*1 flips are pending") as refused:
        crtc.commit(CrtcState(framebuffer(rig), cursor=CursorState(None, (3, 4))))
    assert refused.value.error == -errno.EBUSY
    assert rig.display.cursors == []


def test_flips_take_place_in_the_order_of_their_commits(rig: Rig, crtc: Crtc) -> None:
    crtc.depth = 2
    gates = [Fence(), Fence()]
    pictures = [framebuffer(rig), framebuffer(rig)]
    for picture, gate in zip(pictures, gates, strict=True):
        crtc.commit(CrtcState(picture, gate))
    gates[1].signal()
    assert rig.display.resources == []
    gates[0].signal()
    assert rig.display.resources == [picture.resource_id for picture in pictures]


def test_a_flush_names_the_damage_beside_a_picture_of_the_same_size_and_else_everything(
    rig: Rig, crtc: Crtc
) -> None:
    damage = (Rect(3, 4, 5, 6), Rect(10, 4, 1, 1))
    same, wider = [framebuffer(rig), framebuffer(rig)], framebuffer(rig, (64, 32))
    for picture in (*same, same[1], wider, wider):
        crtc.commit(CrtcState(picture, damage=damage))
    both = Rect(3, 4, 8, 6)
    assert rig.display.damages == [Rect(0, 0, 48, 32), both, both, Rect(0, 0, 64, 32), both]
    assert rig.driver.commands["SET_SCANOUT_BLOB"] == 3


def test_testing_only_touches_nothing(rig: Rig, crtc: Crtc) -> None:
    before = rig.driver.commands.copy()
    assert crtc.commit(CrtcState(cursor=CursorState(None)), test_only=True) is None
    with pytest.raises(CommitRefused, match=r"EINVAL.*fences without a framebuffer"):
        crtc.commit(CrtcState(in_fence=Fence()), test_only=True)
    assert rig.driver.commands == before


def test_the_cursor_is_set_once_and_then_moved(rig: Rig, crtc: Crtc) -> None:
    picture = framebuffer(rig, (64, 64), Format.B8G8R8A8)
    for position in ((1, 2), (3, 4), (3, 4)):
        crtc.commit(CrtcState(cursor=CursorState(picture, position)))
    crtc.commit(CrtcState(cursor=CursorState(None, (3, 4))))
    assert rig.display.cursors == [(0, True, 1, 2), (0, None, 3, 4), (0, False, 3, 4)]
    assert rig.driver.commands["UPDATE_CURSOR"] == 2
    assert rig.driver.commands["MOVE_CURSOR"] == 1


def test_a_cursor_of_another_size_or_format_is_refused(rig: Rig, crtc: Crtc) -> None:
    with pytest.raises(CommitRefused, match="a cursor of 48x32, not 64x64"):
        crtc.commit(CrtcState(cursor=CursorState(framebuffer(rig))))
    with pytest.raises(CommitRefused, match=r"EINVAL.*a cursor in B8G8R8X8, not B8G8R8A8 \(AR24\)"):
        crtc.commit(CrtcState(cursor=CursorState(framebuffer(rig, (64, 64)))))


def test_cursor_and_picture_change_together(rig: Rig, crtc: Crtc) -> None:
    gate = Fence()
    crtc.commit(CrtcState(framebuffer(rig), gate, CursorState(None, (5, 6))))
    assert rig.display.cursors == []
    gate.signal()
    assert rig.display.cursors == [(0, False, 5, 6)]


def test_closing_ends_all_fences_and_takes_no_more_commits(rig: Rig, crtc: Crtc) -> None:
    flip = crtc.commit(CrtcState(framebuffer(rig), Fence()))
    assert flip is not None
    crtc.close()
    crtc.close()
    assert flip.out.error == -errno.ECANCELED
    with pytest.raises(CommitRefused, match="ENODEV"):
        crtc.commit(CrtcState(framebuffer(rig)))


def test_a_device_that_was_lost_meanwhile_is_left_alone(rig: Rig, crtc: Crtc) -> None:
    gate = Fence()
    flip = crtc.commit(CrtcState(framebuffer(rig), gate))
    config = rig.driver.queue(0).config
    rig.ram.memory.store(config.available_ring + 2, 2, 30_000)
    rig.transport.kick(0)
    gate.signal()
    assert flip is not None
    assert not flip.out.signaled
