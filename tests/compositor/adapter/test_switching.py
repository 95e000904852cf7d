"""Policies of whole guests on a machine, switched while they run."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compositor import Machine
from compositor.adapter.sync_policy import SyncPolicy
from compositor.errors import BadInput
from guest import SimulatedGuest
from guest.workloads.flat import Flat

MS = 1_000_000


async def test_a_guest_changes_its_rate_with_its_policy() -> None:
    rates = {}
    async with Machine(outputs=["64x48@60"], repaint_delay_ns=9 * MS, report=lambda _line: None) as machine:
        guest = await machine.attach(SimulatedGuest(Flat(), render_ns=11 * MS))
        for policy in (SyncPolicy.RELEASE, SyncPolicy.QUEUE, SyncPolicy.BLOCKING, SyncPolicy.OUT_FENCE):
            guest.set_sync(policy)
            await machine.run(frames=4)  # what was on its way ends under the old policy
            begin = machine.clock.now_ns()
            await machine.run(frames=30)
            rates[str(policy)] = round(30e9 / (machine.clock.now_ns() - begin))
        frames = machine.stats()["guests"][0]["frames"]
    assert rates == {"release": 30, "queue": 60, "blocking": 30, "out-fence": 60}
    assert (frames["torn"], frames["early_reuse"]) == (0, 0)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([policy for policy in SyncPolicy if policy is not SyncPolicy.NONE]),
            st.integers(1, 60),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([3, 8, 11, 15, 23]),
)
async def test_however_policies_change_nothing_tears_and_nothing_stands_still(
    steps: list[tuple[SyncPolicy, int]], render_ms: int
) -> None:
    async with Machine(outputs=["64x48@60"], repaint_delay_ns=9 * MS) as machine:
        guest = await machine.attach(SimulatedGuest(Flat(), render_ns=render_ms * MS))
        for policy, milliseconds in steps:
            guest.set_sync(policy)
            await machine.run(seconds=milliseconds / 1000)
        before = machine.presented
        await machine.run(seconds=0.2)
        assert machine.presented > before
        frames = machine.stats()["guests"][0]["frames"]
    assert (frames["torn"], frames["early_reuse"]) == (0, 0)


async def test_out_fence_and_queue_are_for_guests_that_know_them(tmp_path: Path) -> None:
    async with Machine(clock="real", repaint="flush") as machine:
        guest = machine.serve(tmp_path / "socket")
        guest.set_sync("blocking")
        assert guest.sync is SyncPolicy.BLOCKING
        assert guest.make_device().blocking
        for policy in ("out-fence", "queue", "vsync"):
            with pytest.raises(BadInput, match=f"sync '{policy}' is not for it; there are none, blocking"):
                guest.set_sync(policy)
        assert guest.sync is SyncPolicy.BLOCKING
