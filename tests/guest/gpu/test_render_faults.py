"""Every fault of a GPU's driver under every way to share: it is named, and the next guest does not notice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from guest.faults.render import RENDER_FAULTS, RenderFault
from guest.gpu.address_space import BAR
from guest.gpu.commands import Area, Fill, StorePhysical, encode
from guest.gpu.sharing import SHARINGS

if TYPE_CHECKING:
    from guest.driver.render import GpuBuffer, RenderDriver
    from tests.guest.gpu.conftest import Bench

MS = 1_000_000
SHARED = [name for name, sharing in SHARINGS.items() if sharing.most_guests != 1]
ALL = Area(0, 0, 32, 32)


def painted(driver: RenderDriver, colour: int) -> GpuBuffer:
    buffer = driver.allocate_vram(4096, visible=True)
    driver.submit([Fill(buffer.surface(32, 32), ALL, colour)], writes=[buffer])
    return buffer


def foreign(victim: RenderDriver, page: GpuBuffer) -> tuple[int, int]:
    """VRAM that is the victim's; the first that no guest has where guests count from 0."""
    part = victim.function.partition
    return (part.size if part.relative else page.runs[0][0] - BAR), 4096


@pytest.mark.parametrize("mode", SHARED)
@pytest.mark.parametrize("fault", RENDER_FAULTS.values(), ids=list(RENDER_FAULTS))
def test_it_is_named_and_the_other_guest_does_not_notice(bench: Bench, fault: RenderFault, mode: str) -> None:
    bench.share(mode)
    victim, culprit = bench.driver("victim"), bench.driver("culprit")
    page = painted(victim, 0x1234_5678)
    bench.run_to(50 * MS)
    fence = fault.apply(culprit, foreign(victim, page))
    going_on = victim.submit([Fill(page.surface(32, 32), Area(0, 0, 1, 1), 9)], writes=[page])
    bench.run_to(2000 * MS)
    faults = culprit.function.statistics.faults
    if fence is not None:
        assert fence.error == fault.expected.error
        assert faults == {fault.expected.name: 1}
    assert faults.keys() <= {fault.expected.name}
    assert culprit.function.statistics.violations == fault.against_others
    assert not victim.function.statistics.faults
    assert going_on.signaled
    assert going_on.error is None
    pixels = page.memory.map_scattered(page.runs).data.view(np.uint32)
    assert pixels[0] == 9
    assert (pixels[1:1024] == 0x1234_5678).all()


@pytest.mark.parametrize("mode", list(SHARINGS))
@pytest.mark.parametrize("fault", RENDER_FAULTS.values(), ids=list(RENDER_FAULTS))
def test_the_culprit_can_go_on_as_well(bench: Bench, fault: RenderFault, mode: str) -> None:
    bench.share(mode)
    culprit = bench.driver("culprit")
    fault.apply(culprit, (1 << 40, 4096))
    bench.run_to(1000 * MS)
    buffer = culprit.allocate(4096)
    fence = culprit.submit([Fill(buffer.surface(32, 32), ALL, 1)], writes=[buffer])
    bench.run_to(2000 * MS)
    assert fence.signaled
    assert fence.error is None


def test_a_batch_that_is_rewritten_after_the_audit_reaches_nothing_either(bench: Bench) -> None:
    bench.share("mediated")
    victim, culprit = bench.driver("victim"), bench.driver("culprit")
    page = painted(victim, 0x1234_5678)
    bench.run_to(50 * MS)
    own = culprit.function.partition.visible[0]
    batch = culprit.next_batch - culprit._control.address
    fence = culprit.submit([StorePhysical(own, 1)])
    data = encode(StorePhysical(foreign(victim, page)[0], 0xBAD))
    culprit._words[batch : batch + len(data)] = np.frombuffer(data, np.uint8)
    bench.run_to(100 * MS)
    assert culprit.function.statistics.faults == {"outside-partition": 1}
    assert fence.error == -13
    assert (page.memory.map_scattered(page.runs).data.view(np.uint32) == 0x1234_5678).all()


def test_every_render_fault_has_a_name_and_says_what_it_is() -> None:
    assert all(name == m.name and m.description.endswith(".") for name, m in RENDER_FAULTS.items())
    assert sum(m.against_others for m in RENDER_FAULTS.values()) == 3
