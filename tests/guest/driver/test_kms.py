from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from guest.driver.framebuffer import Framebuffer
from guest.driver.kms import FlipMode, Swapchain
from guest.driver.session import DriverState
from virtio.errors import Misuse
from virtio.gpu.formats import Format
from virtio.gpu.wire import Feature

if TYPE_CHECKING:
    from tests.guest.conftest import Rig

SIZE = (48, 32)


def swapchain(rig: Rig) -> Swapchain:
    rig.driver.probe()
    return Swapchain(rig.driver, 0, SIZE, Format.B8G8R8X8)


def flip(chain: Swapchain, value: int) -> Framebuffer:
    buffer = chain.acquire()
    assert buffer is not None
    buffer.pixels[:] = value
    chain.flip(buffer)
    return buffer


def test_two_buffers_take_turns(rig: Rig) -> None:
    chain = swapchain(rig)
    used = [flip(chain, value).resource_id for value in range(6)]
    assert used[:2] * 3 == used
    assert rig.display.resources == used
    assert [int(frame[5, 5, 0]) for frame in rig.display.frames] == list(range(6))
    assert all((frame == frame[0, 0, 0]).all() for frame in rig.display.frames)
    assert rig.device.transfer_bytes == 0


def test_a_flip_is_two_commands_in_one_kick(rig: Rig) -> None:
    chain = swapchain(rig)
    flip(chain, 1)
    before, kicks = rig.driver.commands.copy(), list[int]()
    kick = rig.transport.kick
    rig.transport.kick = lambda index: (kicks.append(index), kick(index))[1]  # type: ignore[func-returns-value, method-assign]
    flip(chain, 2)
    assert rig.driver.commands - before == {"SET_SCANOUT_BLOB": 1, "RESOURCE_FLUSH": 1}
    assert kicks == [0]


def test_while_a_flip_is_pending_the_guest_may_not_draw(rig: Rig) -> None:
    chain = swapchain(rig)
    rig.display.hold = True
    first = flip(chain, 1)
    assert chain.pending
    assert chain.acquire() is None
    with pytest.raises(Misuse, match="page flip is pending"):
        chain.flip(first)
    rig.display.fences[0].signal()
    rig.transport.poll()
    assert not chain.pending


def test_the_buffer_on_the_screen_is_not_drawn_into_before_the_next_has_come(rig: Rig) -> None:
    chain = swapchain(rig)
    first = flip(chain, 1)
    rig.display.hold = True
    second = flip(chain, 2)
    assert chain.acquire() is None
    with pytest.raises(Misuse, match="in use"):
        chain.flip(second)
    rig.display.fences[0].signal()
    rig.transport.poll()
    assert chain.acquire() is first


def test_a_single_buffer_that_is_shown_stays_shown(rig: Rig) -> None:
    rig.driver.probe()
    chain = Swapchain(rig.driver, 0, SIZE, Format.B8G8R8X8, FlipMode(buffers=1))
    flip(chain, 1)
    assert chain.acquire() is None


def test_without_blobs_each_frame_is_copied_once(rig: Rig) -> None:
    rig.transport.device_features &= ~(1 << Feature.RESOURCE_BLOB)
    chain = swapchain(rig)
    for value in range(4):
        flip(chain, value)
    assert [int(frame[5, 5, 0]) for frame in rig.display.frames] == list(range(4))
    assert rig.device.transfer_bytes == 4 * 48 * 32 * 4
    assert rig.driver.commands["SET_SCANOUT"] == 4
    assert not rig.driver.errors


def test_destroying_turns_the_screen_off_and_gives_the_memory_back(rig: Rig) -> None:
    rig.driver.probe()
    before = rig.ram.free_bytes
    chain = Swapchain(rig.driver, 0, SIZE, Format.B8G8R8X8)
    flip(chain, 1)
    assert rig.display.images[0] is not None
    chain.destroy()
    assert rig.display.images[0] is None
    assert rig.ram.free_bytes == before
    assert rig.device.mappings == 0
    assert not rig.driver.errors


def test_destroying_while_a_flip_is_pending_does_no_harm(rig: Rig) -> None:
    chain = swapchain(rig)
    rig.display.hold = True
    flip(chain, 1)
    chain.destroy()
    rig.display.fences[0].signal()
    rig.transport.poll()
    assert rig.driver.state is DriverState.RUNNING


def test_when_the_device_is_gone_only_memory_is_given_back(rig: Rig) -> None:
    before = rig.ram.free_bytes
    chain = swapchain(rig)
    flip(chain, 1)
    rig.driver.close()
    commands = rig.driver.commands.copy()
    chain.destroy()
    assert rig.driver.commands == commands
    assert rig.ram.free_bytes == before


def test_two_flips_can_be_pending_and_come_back_in_order(rig: Rig) -> None:
    rig.driver.probe()
    chain = Swapchain(rig.driver, 0, SIZE, Format.B8G8R8X8, FlipMode(depth=2, buffers=3))
    rig.display.hold = True
    first, second = flip(chain, 1), flip(chain, 2)
    assert chain.pending
    rig.display.fences[0].signal()
    rig.transport.poll()
    third = flip(chain, 3)
    assert len({first, second, third}) == 3
    rig.display.fences[1].signal()
    rig.transport.poll()
    assert chain.acquire() is first


def test_a_flip_that_is_given_up_is_complete_and_its_late_fence_does_nothing(rig: Rig) -> None:
    chain = swapchain(rig)
    first = flip(chain, 1)
    rig.display.hold = True
    buffer = chain.acquire()
    assert buffer is not None
    fence = chain.flip(buffer)
    chain.complete(fence)
    assert chain.acquire() is first
    rig.display.fences[0].signal()
    rig.transport.poll()
    assert chain.acquire() is first
    assert not chain.owns(buffer)


def test_release_apart_is_asked_for_on_a_timeline_of_its_own(rig: Rig) -> None:
    rig.driver.probe()
    chain = Swapchain(rig.driver, 0, SIZE, Format.B8G8R8X8, FlipMode(buffers=3, release_apart=True))
    progress: list[bool] = []
    chain.on_progress = lambda: progress.append(chain.pending)
    first = flip(chain, 1)
    rig.display.hold = True
    flip(chain, 2)
    assert chain.owns(first), "this display answers SET_SCANOUT_BLOB at once"
    assert chain.pending, "and not the flush"
    rig.display.fences[0].signal()
    rig.transport.poll()
    assert progress[-1] is False


def test_another_mode_holds_from_the_next_flip_on(rig: Rig) -> None:
    chain = swapchain(rig)
    rig.display.hold = True
    flip(chain, 1)
    assert chain.pending
    chain.set_mode(FlipMode(depth=2, buffers=3))
    assert not chain.pending
    flip(chain, 2)
    assert chain.pending
