"""Commands that take long are carried out in steps, so that others have their turn between."""

from __future__ import annotations

import gc
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.virtio.gpu.conftest import HIGH
from virtio.gpu.backing import PIECE_BYTES, attach
from virtio.gpu.commands.resources import LONGEST_COPY
from virtio.gpu.limits import Ledger
from virtio.gpu.wire import (
    CONTROL_QUEUE,
    CURSOR_QUEUE,
    BlobMem,
    Command,
    CursorPos,
    NoBody,
    Rect,
    ResourceAttachBacking,
    ResourceCreate2d,
    ResourceCreateBlob,
    ResourceFlush,
    ResourceUnref,
    Response,
    TransferToHost2d,
    UpdateCursor,
)
from virtio.memory import PAGE
from virtio.turn import CountedTurn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tests.virtio.gpu.conftest import Machine, Reply
    from virtio.memory import Run

SIDE = 64
ALL = Rect(0, 0, SIDE, SIDE)
# An image of 64x64 pixels in pieces of 8 bytes.
SPLINTERS = [(HIGH + 16 * index + 8, 8) for index in range(SIDE * SIDE * 4 // 8)]
TRANSFER = TransferToHost2d(ALL, 0, 7)


def descriptors() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def mappings() -> int:
    """How many kernel mappings of guests' memory this process has."""
    return Path("/proc/self/maps").read_text().count("memfd")


def one_piece_of_work(machine: Machine, queue: int = CONTROL_QUEUE) -> dict[int, Reply]:
    """Let the device do the least that it can, and say what it answered."""
    machine.device.process(queue, machine.queues[queue], CountedTurn(0))
    return machine.reap(queue)


def submit(machine: Machine, command: Command, body: tuple[object, ...], runs: Sequence[Run] = ()) -> int:
    """Make a command available, and say nothing; behind the place of the last one that was short."""
    place = 0x400 * len(machine.rings[CONTROL_QUEUE].rooms)
    return machine.rings[CONTROL_QUEUE].submit(machine.request(command, body, runs), 64, place=place)


def splintered(machine: Machine) -> NDArray[np.uint8]:
    """2D resource 7, whose backing is in splinters; what they hold."""
    machine.create_2d(7, SIDE, SIDE, page=None)
    machine.ok(Command.RESOURCE_ATTACH_BACKING, ResourceAttachBacking(7, len(SPLINTERS)), SPLINTERS)
    memory = machine.array(0, 8)
    memory[:] = np.random.default_rng(7).integers(0, 256, memory.size, np.uint8)
    return memory.reshape(-1, 16)[:, 8:].reshape(-1)


def steps_until(machine: Machine, head: int) -> tuple[int, dict[int, Reply]]:
    """How many pieces of work it takes until a command is answered, and all that is answered with it."""
    for count in range(1, 1000):
        answered = one_piece_of_work(machine)
        if head in answered:
            return count, answered
    raise AssertionError("the command is never answered")


def test_a_transfer_from_splinters_is_carried_out_in_steps(machine: Machine) -> None:
    content = splintered(machine)
    machine.show_2d(7, ALL)
    head = submit(machine, Command.TRANSFER_TO_HOST_2D, TRANSFER)
    count, answered = steps_until(machine, head)
    assert count > 4
    assert answered[head].response == Response.OK_NODATA
    shown = machine.display.images[0]
    assert shown is not None
    assert np.array_equal(shown.pixels.reshape(-1), content)


def test_a_transfer_beyond_the_longest_copy_is_carried_out_in_steps(machine: Machine) -> None:
    width, height = 4096, LONGEST_COPY // 4096 // 4 + 64
    runs = [(HIGH, 1 << 24)] * 3
    machine.ok(Command.RESOURCE_CREATE_2D, ResourceCreate2d(7, 1, width, height))
    machine.ok(Command.RESOURCE_ATTACH_BACKING, ResourceAttachBacking(7, len(runs)), runs)
    head = submit(machine, Command.TRANSFER_TO_HOST_2D, TransferToHost2d(Rect(0, 0, width, height), 0, 7))
    assert steps_until(machine, head)[0] == 33


def test_a_blob_of_many_pages_is_made_in_steps(machine: Machine) -> None:
    pages = machine.pages(*range(0, 2048, 2))
    body = ResourceCreateBlob(7, BlobMem.GUEST, 0, len(pages), 0, len(pages) * PAGE)
    head = submit(machine, Command.RESOURCE_CREATE_BLOB, body, pages)
    count, answered = steps_until(machine, head)
    assert count > 4
    assert answered[head].response == Response.OK_NODATA
    assert machine.device.mappings == len(pages)


def test_a_blob_in_splinters_is_copied_in_steps_when_it_is_flushed(machine: Machine) -> None:
    machine.create_blob(7, SPLINTERS)
    machine.show_blob(7, SIDE, SIDE)
    head = submit(machine, Command.RESOURCE_FLUSH, ResourceFlush(ALL, 7))
    one_piece_of_work(machine)
    assert "flush" not in [call[0] for call in machine.display.calls], "not before all of it is copied"
    assert steps_until(machine, head)[0] > 4
    assert machine.display.calls[-1][0] == "flush"


def test_what_follows_a_long_command_waits_for_it_and_the_other_queue_does_not(machine: Machine) -> None:
    splintered(machine)
    first = submit(machine, Command.TRANSFER_TO_HOST_2D, TRANSFER)
    second = submit(machine, Command.GET_DISPLAY_INFO, NoBody())
    assert not one_piece_of_work(machine)
    move = machine.request(Command.MOVE_CURSOR, UpdateCursor(CursorPos(0, 3, 4)))
    machine.rings[CURSOR_QUEUE].submit(move, 0)
    assert len(one_piece_of_work(machine, CURSOR_QUEUE)) == 1
    assert list(steps_until(machine, first)[1]) == [first]
    assert list(one_piece_of_work(machine)) == [second]


def test_a_fault_in_a_late_step_is_answered_and_counted(machine: Machine) -> None:
    runs = [*SPLINTERS, (1 << 50, 8)]
    machine.create_2d(7, SIDE, SIDE, page=None)
    head = submit(machine, Command.RESOURCE_ATTACH_BACKING, ResourceAttachBacking(7, len(runs)), runs)
    count, answered = steps_until(machine, head)
    assert count > 1
    assert answered[head].response == Response.ERR_UNSPEC
    assert machine.device.errors == {"ERR_UNSPEC": 1}
    assert "RESOURCE_ATTACH_BACKING: backing: no memory region" in (machine.device.last_fault or "")


def test_a_reset_gives_back_what_a_half_made_blob_holds(machine: Machine) -> None:
    gc.collect()  # what other tests held
    before = descriptors(), mappings()
    pages = machine.pages(*range(0, 2048, 2))
    body = ResourceCreateBlob(7, BlobMem.GUEST, 0, len(pages), 0, len(pages) * PAGE)
    submit(machine, Command.RESOURCE_CREATE_BLOB, body, pages)
    for _ in range(3):
        assert not one_piece_of_work(machine)
    assert mappings() > before[1]
    machine.device.reset()
    assert (descriptors(), mappings()) == before
    machine.start()
    assert machine.send(Command.RESOURCE_UNREF, ResourceUnref(7)).response == Response.ERR_INVALID_RESOURCE_ID


def test_a_piece_of_a_backing_in_splinters_costs_what_is_counted(machine: Machine) -> None:
    runs = SPLINTERS * 8
    ledger = Ledger()
    gc.collect()
    tracemalloc.start()
    backing = attach(machine.memory, runs, ledger)
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held <= ledger.host_memory.used + 4096
    assert ledger.host_memory.used == len(runs) * PIECE_BYTES
    backing.close()
    assert ledger.host_memory.used == 0


@pytest.mark.parametrize("count", [255, 256, 257, 3000])
def test_a_mapping_under_way_outlives_its_memory_table(machine: Machine, count: int) -> None:
    memory = machine.array(0, 4096)
    memory[::PAGE] = np.arange(4096) % 251
    pages = [int(page) for page in np.random.default_rng(3).permutation(4096)[:count]]
    before = descriptors()
    steps = machine.memory.mapping_steps(machine.pages(*pages))
    taken = 0
    try:
        while True:
            next(steps)
            taken += 1
            machine.memory.close()
    except StopIteration as end:
        mapping = end.value
    assert mapping.data[::PAGE].tolist() == [page % 251 for page in pages]
    assert descriptors() == before - (2 if taken else 0), "the table's own two"
