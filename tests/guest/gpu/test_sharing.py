"""What each way to share does to a driver's accesses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from guest.gpu import Gpu
from guest.gpu.commands import Area, Fill, Triangles
from guest.gpu.sharing import SHARINGS, Access, sharing
from guest.memory import GuestRam
from virtio.errors import Misuse

if TYPE_CHECKING:
    from guest.driver.render import RenderDriver
    from tests.guest.gpu.conftest import Bench

SIDE = 64
ALL = Area(0, 0, SIDE, SIDE)


def fill(driver: RenderDriver, frames: int) -> None:
    buffer = driver.allocate(4 * SIDE * SIDE)
    for _ in range(frames):
        driver.submit([Fill(buffer.surface(SIDE, SIDE), ALL, 1)], writes=[buffer])


@pytest.mark.parametrize(
    ("mode", "trapped"),
    [
        ("native", set()),
        ("direct", {Access.INTERRUPT}),
        ("mediated", set(Access)),
        ("sriov", {Access.INTERRUPT}),
        ("remoting", {Access.INTERRUPT, Access.DOORBELL}),
    ],
)
def test_only_what_the_mode_traps_is_counted(bench: Bench, mode: str, trapped: set[Access]) -> None:
    bench.share(mode)
    driver = bench.driver()
    before = dict(driver.function.statistics.traps)
    fill(driver, 3)
    bench.finish()
    traps = driver.function.statistics.traps
    assert traps.keys() == {access.value for access in trapped}
    for access in (Access.INTERRUPT, Access.DOORBELL):
        assert traps[access.value] == (3 if access in trapped else 0)
    if Access.PAGE_TABLE in trapped:
        assert traps["page-table"] - before["page-table"] == 4 * SIDE * SIDE // 4096


def test_traps_take_time(bench: Bench) -> None:
    times = {}
    for mode in ("native", "direct", "mediated"):
        bench.share(mode)
        driver = bench.driver(mode)
        bench.finish()
        begin = bench.calendar.now_ns()
        fill(driver, 1)
        times[mode] = bench.finish() - begin
    assert times["direct"] - times["native"] == SHARINGS["direct"].trap_ns
    assert times["mediated"] > times["direct"]


def test_remoting_copies_commands_there_and_the_picture_back(bench: Bench) -> None:
    bench.share("remoting")
    driver = bench.driver()
    fill(driver, 1)
    bench.finish()
    stream = 4 + 28 + 4  # the fill and the end of its batch
    assert driver.function.statistics.copied_bytes == 4 * SIDE * SIDE + stream


def test_remoting_copies_vertices_too(bench: Bench) -> None:
    bench.share("remoting")
    driver = bench.driver()
    buffer, corners = driver.allocate(4 * SIDE * SIDE), driver.allocate(4096)
    surface = buffer.surface(SIDE, SIDE)
    driver.submit([Triangles(surface, surface._replace(width=0), corners.address, 10)])
    bench.finish()
    assert driver.function.statistics.copied_bytes - 4 * SIDE * SIDE > 10 * 3 * 20


def test_guests_that_share_a_pool_have_different_memory(bench: Bench) -> None:
    bench.share("remoting")
    left, right = bench.driver("left"), bench.driver("right")
    assert left.allocate_vram(4096).runs != right.allocate_vram(4096).runs


@pytest.mark.parametrize(("mode", "most"), [("native", 1), ("direct", 1), ("mediated", 7), ("sriov", 7)])
def test_one_guest_too_many_is_refused(bench: Bench, mode: str, most: int) -> None:
    bench.share(mode)
    for index in range(most):
        bench.driver(f"guest-{index}", memory=2 << 20)
    with pytest.raises(Misuse, match=f"mode '{mode}' has {most} guests at most"):
        bench.driver("one more", memory=2 << 20)


def test_a_place_that_became_free_is_given_away_again(bench: Bench) -> None:
    bench.share("mediated")
    bench.driver("stays")
    parts = []
    for name in ("first", "second"):
        with GuestRam(2 << 20) as ram:
            function = bench.gpu.attach(name, ram.memory, bench.calendar)
            parts.append(function.partition)
            bench.gpu.detach(function)
    assert parts[0] == parts[1]


def test_unknown_modes_and_places_are_refused() -> None:
    with pytest.raises(Misuse, match="cannot be shared by 'magic'; there are native, direct, mediated"):
        Gpu("magic")
    with pytest.raises(Misuse, match="have to be above 0"):
        Gpu().slot(weight=0)
    with pytest.raises(Misuse, match="the GPU is off"):
        _ = Gpu().engine
    custom = SHARINGS["direct"]
    assert sharing(custom) is custom
