"""Backings: mapped where possible, copied from where not, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtio.gpu.backing import PIECE_BYTES, Backing, ContiguousBacking, ScatteredBacking, attach, host_backing
from virtio.gpu.errors import CommandFault
from virtio.gpu.limits import Ledger
from virtio.gpu.wire import Response
from virtio.limits import Limits
from virtio.memory import PAGE

if TYPE_CHECKING:
    from tests.virtio.gpu.conftest import Machine

HIGH = 0x1000_0000


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def used(ledger: Ledger) -> tuple[int, int, int]:
    return ledger.host_memory.used, ledger.mappings.used, ledger.mapped.used


def whole(backing: Backing) -> bytes:
    """All bytes of a backing."""
    out = np.empty((1, backing.size), np.uint8)
    backing.read_rows(0, 0, out)
    return out.tobytes()


def fill(machine: Machine, pages: int) -> bytes:
    """Random bytes in the guest's first pages for resources."""
    data = np.random.default_rng(1).integers(0, 256, pages * PAGE, np.uint8)
    machine.array(0, pages)[:] = data
    return data.tobytes()


def test_pages_become_one_view_of_the_guest_s_memory(machine: Machine, ledger: Ledger) -> None:
    backing = attach(machine.memory, machine.pages(9, 2, 3, 7), ledger)
    assert isinstance(backing, ContiguousBacking)
    machine.array(2, 1)[5] = 77
    assert backing.data[PAGE + 5] == 77
    assert not backing.data.flags.writeable
    assert used(ledger) == (0, 3, 4 * PAGE), "two of the four pages are neighbours"
    backing.close()
    assert used(ledger) == (0, 0, 0)


def test_runs_that_meet_inside_a_page_are_copied_from(machine: Machine, ledger: Ledger) -> None:
    data = fill(machine, 4)
    runs = [(HIGH + 100, 50), (HIGH + 3 * PAGE + 7, 1000), (HIGH, 3)]
    backing = attach(machine.memory, runs, ledger)
    assert isinstance(backing, ScatteredBacking)
    assert whole(backing) == data[100:150] + data[3 * PAGE + 7 :][:1000] + data[:3]
    assert used(ledger) == (3 * PIECE_BYTES, 0, 0)
    backing.close()
    assert used(ledger) == (0, 0, 0)


@pytest.mark.parametrize(
    "limits",
    [Limits(mappings=2), Limits(backing_mappings=2), Limits(mapped=3 * PAGE)],
    ids=["mappings", "mappings of one", "bytes"],
)
def test_a_guest_beyond_its_share_of_mappings_is_copied_from(machine: Machine, limits: Limits) -> None:
    data = fill(machine, 8)
    ledger = Ledger(limits)
    first = attach(machine.memory, machine.pages(0), ledger)
    backing = attach(machine.memory, machine.pages(7, 3, 5), ledger)
    assert isinstance(first, ContiguousBacking)
    assert isinstance(backing, ScatteredBacking)
    assert whole(backing) == b"".join(data[page * PAGE :][:PAGE] for page in (7, 3, 5))
    assert used(ledger) == (3 * PIECE_BYTES, 1, PAGE)


def test_no_entries_and_empty_entries_are_a_backing_of_no_bytes(machine: Machine, ledger: Ledger) -> None:
    for runs in ([], [(0, 0), (HIGH, 0)]):
        assert attach(machine.memory, runs, ledger).size == 0
    assert used(ledger) == (0, 0, 0)


@pytest.mark.parametrize(
    "runs", [[(1 << 50, PAGE)], [(HIGH, PAGE), (HIGH + (1 << 30), PAGE)], [(HIGH + 1, 3), (1 << 50, 1)]]
)
def test_addresses_outside_of_the_memory_are_refused(
    machine: Machine, ledger: Ledger, runs: list[tuple[int, int]]
) -> None:
    with pytest.raises(CommandFault, match="no memory region holds") as caught:
        attach(machine.memory, runs, ledger)
    assert caught.value.response == Response.ERR_UNSPEC
    assert used(ledger) == (0, 0, 0)


def test_pieces_without_number_are_refused(machine: Machine) -> None:
    ledger = Ledger(Limits(host_memory=3 * PIECE_BYTES))
    with pytest.raises(CommandFault, match="a backing of 4 pieces that cannot be mapped") as caught:
        attach(machine.memory, [(HIGH + 8 * index, 4) for index in range(4)], ledger)
    assert caught.value.response == Response.ERR_OUT_OF_MEMORY
    assert used(ledger) == (0, 0, 0)


def test_views_outlive_the_backing(machine: Machine, ledger: Ledger) -> None:
    backing = attach(machine.memory, machine.pages(3, 1), ledger)
    assert isinstance(backing, ContiguousBacking)
    view = backing.data[:8]
    backing.close()
    del backing
    machine.array(3, 1)[:8] = 9
    assert view.tolist() == [9] * 8


def test_a_backing_outlives_the_memory_table(machine: Machine, ledger: Ledger) -> None:
    data = fill(machine, 2)
    scattered = attach(machine.memory, [(HIGH + 10, 5), (HIGH + PAGE, 5)], ledger)
    mapped = attach(machine.memory, machine.pages(1), ledger)
    machine.memory.close()
    assert whole(scattered) == data[10:15] + data[PAGE : PAGE + 5]
    assert whole(mapped) == data[PAGE:]


def test_host_memory_is_a_backing_too(ledger: Ledger) -> None:
    backing = host_backing(100, ledger, "a blob")
    assert (whole(backing), used(ledger)) == (bytes(100), (100, 0, 0))
    assert backing.data.flags.writeable
    backing.close()
    assert used(ledger) == (0, 0, 0)


@given(data=st.data())
def test_rows_are_the_same_whether_mapped_or_copied(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=8))
    source = np.random.default_rng(2).integers(0, 256, sum(lengths), np.uint8)
    pieces = np.split(source, np.cumsum(lengths)[:-1])
    places = [(index, 0, length) for index, length in enumerate(lengths)]
    scattered = ScatteredBacking([piece.data for piece in pieces], places)
    contiguous = ContiguousBacking(source, lambda: None)
    assert scattered.size == contiguous.size

    width = data.draw(st.integers(1, source.size))
    stride = data.draw(st.integers(width, source.size))
    offset = data.draw(st.integers(0, source.size - width))
    height = data.draw(st.integers(1, (source.size - width - offset) // stride + 1))
    column = data.draw(st.integers(0, 2))
    frames = [np.zeros((height, width + column), np.uint8) for _ in range(2)]
    scattered.read_rows(offset, stride, frames[0][:, column:])
    contiguous.read_rows(offset, stride, frames[1][:, column:])
    expected = [source[offset + row * stride :][:width].tolist() for row in range(height)]
    assert frames[0][:, column:].tolist() == frames[1][:, column:].tolist() == expected
