"""Each limit of a device: one below is carried out, one beyond is answered as the specification has it.

Each test has the name of its limit; `tests/virtio/test_limits.py` sees that none is without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from virtio.account import Together
from virtio.gpu.backing import PIECE_BYTES
from virtio.gpu.display import DisplayMode
from virtio.gpu.formats import Format
from virtio.gpu.wire import (
    CONTROL_QUEUE,
    CURSOR_QUEUE,
    Command,
    CursorPos,
    Flag,
    Rect,
    ResourceAttachBacking,
    ResourceCreate2d,
    ResourceFlush,
    ResourceUnref,
    Response,
    UpdateCursor,
)
from virtio.limits import Limits, Totals
from virtio.memory import PAGE

if TYPE_CHECKING:
    from tests.virtio.gpu.conftest import Machine, MakeMachine

IMAGE = 64 * 64 * 4  # bytes


def create(machine: Machine, resource_id: int, width: int = 64, height: int = 64) -> Response:
    body = ResourceCreate2d(resource_id, Format.B8G8R8X8, width, height)
    return machine.send(Command.RESOURCE_CREATE_2D, body).response


def attach(machine: Machine, resource_id: int, runs: list[tuple[int, int]]) -> Response:
    return machine.send(
        Command.RESOURCE_ATTACH_BACKING, ResourceAttachBacking(resource_id, len(runs)), runs
    ).response


def scattered(machine: Machine, count: int) -> list[tuple[int, int]]:
    """Pages that do not continue each other."""
    return machine.pages(*[2 * number for number in range(count)])


def test_limit_host_memory(make_machine: MakeMachine) -> None:
    machine = make_machine(limits=Limits(host_memory=2 * IMAGE))
    assert [create(machine, number) for number in (1, 2)] == [Response.OK_NODATA] * 2
    assert [create(machine, number) for number in (3, 4)] == [Response.ERR_OUT_OF_MEMORY] * 2
    assert machine.told == [
        f"limit host-memory reached: 2D resource 3 needs {IMAGE} bytes of host memory, and the guest has "
        f"{2 * IMAGE} of {2 * IMAGE} already; --limit host-memory=... sets another"
    ], "once"
    machine.ok(Command.RESOURCE_UNREF, ResourceUnref(1))
    assert create(machine, 3) == Response.OK_NODATA


def test_limit_total_host_memory(make_machine: MakeMachine) -> None:
    together = Together(Totals(host_memory=3 * IMAGE))
    greedy, late = (make_machine(together=together) for _ in range(2))
    assert [create(greedy, number) for number in (1, 2)] == [Response.OK_NODATA] * 2
    assert [create(late, number) for number in (1, 2)] == [Response.OK_NODATA, Response.ERR_OUT_OF_MEMORY]
    assert "limit total-host-memory reached" in late.told[0]
    assert f"all guests together have {3 * IMAGE} of {3 * IMAGE} already" in late.told[0]
    greedy.device.reset()
    assert create(late, 2) == Response.OK_NODATA, "what a guest leaves is there for the others"
    greedy.start()


def test_limit_resources(make_machine: MakeMachine) -> None:
    machine = make_machine(limits=Limits(resources=2))
    assert [create(machine, number) for number in (1, 2)] == [Response.OK_NODATA] * 2
    assert create(machine, 3) == Response.ERR_OUT_OF_MEMORY
    assert "limit resources reached" in machine.told[0]


def test_limit_total_resources(make_machine: MakeMachine) -> None:
    together = Together(Totals(resources=3))
    greedy, late = (make_machine(together=together) for _ in range(2))
    assert [create(greedy, number) for number in (1, 2)] == [Response.OK_NODATA] * 2
    assert [create(late, number) for number in (1, 2)] == [Response.OK_NODATA, Response.ERR_OUT_OF_MEMORY]
    assert "limit total-resources reached" in late.told[0]


def test_limit_entries(make_machine: MakeMachine) -> None:
    machine = make_machine(limits=Limits(entries=3))
    assert [create(machine, number) for number in (1, 2)] == [Response.OK_NODATA] * 2
    assert attach(machine, 1, scattered(machine, 3)) == Response.OK_NODATA
    assert attach(machine, 2, scattered(machine, 4)) == Response.ERR_UNSPEC
    assert "limit entries reached: 4 memory entries are more than 3" in machine.told[0]


def test_limit_dimension(make_machine: MakeMachine) -> None:
    machine = make_machine(limits=Limits(dimension=64))
    assert create(machine, 1) == Response.OK_NODATA
    assert create(machine, 2, width=65) == Response.ERR_INVALID_PARAMETER
    assert create(machine, 2, height=65) == Response.ERR_INVALID_PARAMETER
    assert "limit dimension reached" in machine.told[0]
    machine.create_blob(3, [(machine.pages(0)[0][0], 65 * 64 * 4)])
    narrow = machine.scanout_blob(3, 65, 64, rect=Rect(0, 0, 64, 64))
    assert machine.send(Command.SET_SCANOUT_BLOB, narrow).response == Response.OK_NODATA
    whole = machine.scanout_blob(3, 65, 64)
    assert machine.send(Command.SET_SCANOUT_BLOB, whole).response == Response.ERR_INVALID_PARAMETER


@pytest.mark.parametrize("count", [2, 3])
def test_limit_mappings(make_machine: MakeMachine, count: int) -> None:
    """Beyond it a backing is copied from: slower, and nothing that a driver would see."""
    machine = make_machine(limits=Limits(mappings=2))
    assert create(machine, 1) == Response.OK_NODATA
    assert attach(machine, 1, scattered(machine, count)) == Response.OK_NODATA
    mapped = count <= 2
    assert machine.device.mappings == (count if mapped else 0)
    assert machine.device.host_memory_bytes == IMAGE + (0 if mapped else count * PIECE_BYTES)
    assert bool(machine.told) is not mapped
    assert all("limit mappings reached" in line for line in machine.told)


def test_limit_total_mappings(make_machine: MakeMachine) -> None:
    together = Together(Totals(mappings=4))
    greedy, late = (make_machine(together=together) for _ in range(2))
    for machine, count, mapped in ((greedy, 3, 3), (late, 2, 0)):
        assert create(machine, 1) == Response.OK_NODATA
        assert attach(machine, 1, scattered(machine, count)) == Response.OK_NODATA
        assert machine.device.mappings == mapped
    assert "limit total-mappings reached" in late.told[0]


@pytest.mark.parametrize("count", [2, 3])
def test_limit_backing_mappings(make_machine: MakeMachine, count: int) -> None:
    machine = make_machine(limits=Limits(backing_mappings=2))
    for resource_id in (1, 2):
        assert create(machine, resource_id) == Response.OK_NODATA
        assert attach(machine, resource_id, scattered(machine, count)) == Response.OK_NODATA
    assert machine.device.mappings == (4 if count == 2 else 0), "of each backing"
    assert ["limit backing-mappings reached" in line for line in machine.told] == [True] * (count - 2)


@pytest.mark.parametrize("count", [2, 3])
def test_limit_mapped(make_machine: MakeMachine, count: int) -> None:
    machine = make_machine(limits=Limits(mapped=2 * PAGE))
    assert create(machine, 1) == Response.OK_NODATA
    assert attach(machine, 1, [(machine.pages(0)[0][0], count * PAGE)]) == Response.OK_NODATA
    assert machine.device.mappings == (1 if count == 2 else 0)
    assert ["limit mapped reached" in line for line in machine.told] == [True] * (count - 2)


def parked(machine: Machine, count: int) -> None:
    """So many fenced flushes that wait for the display."""
    machine.display.hold = True
    machine.create_2d(1, 64, 64)
    machine.show_2d(1, Rect(0, 0, 64, 64))
    for fence_id in range(count):
        request = machine.request(
            Command.RESOURCE_FLUSH,
            ResourceFlush(Rect(0, 0, 64, 64), 1),
            flags=Flag.FENCE,
            fence_id=fence_id,
        )
        machine.post(request)


def cursor_answered(machine: Machine) -> bool:
    request = machine.request(Command.MOVE_CURSOR, UpdateCursor(CursorPos(0, 1, 1), 0, 0, 0))
    return machine.post(request, queue=CURSOR_QUEUE) in machine.reap(CURSOR_QUEUE)


def test_limit_fences(make_machine: MakeMachine) -> None:
    machine = make_machine(limits=Limits(fences=32))
    resumed: list[int] = []
    machine.device.resume = resumed.append
    parked(machine, 31)
    assert cursor_answered(machine)
    machine.device.reset()
    machine.display.fences.clear()
    machine.start()

    parked(machine, 32)
    assert not cursor_answered(machine), "no command is taken, of either queue"
    assert (machine.device.parked, resumed) == (32, [])
    assert "limit fences reached: commands wait until an answer is given" in machine.told[0]
    machine.display.fences[0].signal()
    assert resumed == [CONTROL_QUEUE, CURSOR_QUEUE]
    machine.device.process(CURSOR_QUEUE, machine.queues[CURSOR_QUEUE])
    assert machine.reap(CURSOR_QUEUE)


def test_limit_total_fences(make_machine: MakeMachine) -> None:
    together = Together(Totals(fences=32))
    greedy, late = (make_machine([DisplayMode(64, 64)], together=together) for _ in range(2))
    resumed: list[int] = []
    late.device.resume = resumed.append
    parked(greedy, 31)
    assert cursor_answered(late)
    request = greedy.request(Command.RESOURCE_FLUSH, ResourceFlush(Rect(0, 0, 64, 64), 1), flags=Flag.FENCE)
    greedy.post(request)
    assert not cursor_answered(late)
    assert "limit total-fences reached" in late.told[0]
    greedy.device.reset()
    assert resumed == [CONTROL_QUEUE, CURSOR_QUEUE], "what a guest leaves is there for the others"
    greedy.start()
