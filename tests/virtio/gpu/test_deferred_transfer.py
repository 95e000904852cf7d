"""Transfers that are left to the next reader of the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from virtio.gpu.deferred_transfer import DeferredTransfer
from virtio.gpu.display import DisplayMode
from virtio.gpu.wire import (
    CONTROL_QUEUE,
    Command,
    Flag,
    Rect,
    ResourceDetachBacking,
    ResourceFlush,
    SetScanout,
    TransferToHost2d,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.virtio.gpu.conftest import Machine, MakeMachine
    from virtio.fence import Fence

ALL = Rect(0, 0, 64, 64)
TRANSFER = (Command.TRANSFER_TO_HOST_2D, TransferToHost2d(ALL, 0, 7))
SHOW = (Command.SET_SCANOUT, SetScanout(ALL, 0, 7))
FLUSH = (Command.RESOURCE_FLUSH, ResourceFlush(ALL, 7))


@pytest.fixture
def machine(make_machine: MakeMachine) -> Machine:
    """2D resource 7, shown on both scanouts, its pages painted with noise; the display looks at nothing."""
    machine = make_machine([DisplayMode(64, 64), DisplayMode(64, 64)])
    machine.create_2d(7, 64, 64)
    for scanout in range(2):
        machine.show_2d(7, ALL, scanout)
    machine.array(0, 4)[:] = np.random.default_rng(7).integers(0, 256, 4 * 4096, np.uint8)
    return machine


class Reader:
    """Takes the place of a display's flush; notes what it was given and what the driver knew then."""

    def __init__(self, machine: Machine, *, reads: bool) -> None:
        self.machine, self.reads = machine, reads
        self.incoming: list[DeferredTransfer | None] = []
        self.done_before: list[bool] = []
        self.answered: list[int] = []
        machine.display.flush = self.flush  # type: ignore[method-assign]

    def flush(self, scanout_id: int, damage: Rect, incoming: DeferredTransfer | None = None) -> Fence | None:
        self.incoming.append(incoming)
        self.answered.append(len(self.machine.reap()))
        if incoming is not None:
            self.done_before.append(incoming.done)
            if self.reads:
                incoming.target[:] = incoming.source
                incoming.done = True
        return None


def batch(machine: Machine, *commands: tuple[Command, tuple[object, ...]], flags: int = 0) -> None:
    """Several commands that the device finds at once."""
    for number, (command, body) in enumerate(commands):
        request = machine.request(command, body, flags=flags)
        machine.rings[CONTROL_QUEUE].submit(request, 64, place=number * 256)
    machine.device.process(CONTROL_QUEUE, machine.queues[CONTROL_QUEUE])


def image(machine: Machine) -> NDArray[np.uint8]:
    """What scanout 0 shows, as a run of bytes."""
    shown = machine.display.images[0]
    assert shown is not None
    return shown.pixels.reshape(-1)


@pytest.mark.parametrize("reads", [False, True], ids=["the device alone reads", "the display reads"])
def test_a_transfer_is_carried_out_before_it_is_answered_and_before_its_flush_is(
    machine: Machine, reads: bool
) -> None:
    reader = Reader(machine, reads=reads)
    batch(machine, TRANSFER, SHOW, FLUSH)
    assert reader.incoming[0] is not None
    assert reader.answered == [1, 0]  # SET_SCANOUT
    assert len(machine.reap()) == 2
    np.testing.assert_array_equal(image(machine), machine.array(0, 4))
    assert machine.device.transfer_bytes == 64 * 64 * 4


def test_who_shows_it_on_a_second_scanout_is_told_that_it_has_been_copied(machine: Machine) -> None:
    reader = Reader(machine, reads=True)
    batch(machine, TRANSFER, FLUSH)
    assert reader.done_before == [False, True]


def test_a_transfer_without_a_flush_is_carried_out_by_the_end_of_the_batch(machine: Machine) -> None:
    batch(machine, TRANSFER)
    assert len(machine.reap()) == 1
    np.testing.assert_array_equal(image(machine), machine.array(0, 4))


def test_any_other_command_finds_the_transfer_carried_out(machine: Machine) -> None:
    """After DETACH_BACKING the pages are the driver's again."""
    reader = Reader(machine, reads=True)
    batch(machine, TRANSFER, (Command.RESOURCE_DETACH_BACKING, ResourceDetachBacking(7)), FLUSH)
    assert reader.incoming == [None, None]
    np.testing.assert_array_equal(image(machine), machine.array(0, 4))


def test_part_of_an_image_is_copied_at_once(machine: Machine) -> None:
    reader = Reader(machine, reads=True)
    batch(machine, (Command.TRANSFER_TO_HOST_2D, TransferToHost2d(Rect(0, 0, 64, 32), 0, 7)), FLUSH)
    assert reader.incoming == [None, None]
    np.testing.assert_array_equal(image(machine)[: 64 * 32 * 4], machine.array(0, 2))


def test_a_scanout_that_shows_a_part_finds_all_of_it_copied(machine: Machine) -> None:
    machine.show_2d(7, Rect(0, 0, 64, 32), 1)
    reader = Reader(machine, reads=False)
    batch(machine, (Command.SET_SCANOUT, SetScanout(Rect(0, 0, 0, 0), 0, 0)), TRANSFER, FLUSH)
    assert reader.incoming == [None]


def test_a_fenced_transfer_is_copied_at_once(machine: Machine) -> None:
    reader = Reader(machine, reads=True)
    batch(machine, TRANSFER, FLUSH, flags=Flag.FENCE)
    assert reader.incoming == [None, None]


def test_two_transfers_in_one_batch_are_both_carried_out(machine: Machine) -> None:
    machine.create_2d(8, 64, 64, page=4)
    machine.array(4, 4)[:] = 9
    machine.show_2d(8, ALL, 1)
    batch(machine, TRANSFER, (Command.TRANSFER_TO_HOST_2D, TransferToHost2d(ALL, 0, 8)))
    second = machine.display.images[1]
    assert second is not None
    assert (second.pixels == 9).all()
    np.testing.assert_array_equal(image(machine), machine.array(0, 4))


def test_a_transfer_is_finished_once() -> None:
    target, source = np.zeros((2, 8), np.uint8), np.ones((2, 8), np.uint8)
    transfer = DeferredTransfer(target, source)
    transfer.finish()
    source[:] = 2
    transfer.finish()
    assert (transfer.done, target.tolist()) == (True, [[1] * 8] * 2)
