"""Linux's 50 ms, measured on a real kernel's driver on virtual time."""

import pytest

from compositor.commands.fifty_ms import measure
from guest.linux.kernel import find_kernel

pytestmark = pytest.mark.real


@pytest.mark.parametrize("hold_ms", [0, 20, 49])
async def test_a_kernel_that_is_answered_in_time_draws_over_nothing(hold_ms: int) -> None:
    held = await measure(hold_ms, kernel=find_kernel())
    assert hold_ms < held.earliest_event_ms < hold_ms + 1.2
    assert (held.early_reuse, held.flips_outstanding) == (0, 1)


@pytest.mark.parametrize("hold_ms", [51, 200])
async def test_a_kernel_that_gave_up_after_50_ms_is_found_the_same_in_every_run(hold_ms: int) -> None:
    held = await measure(hold_ms, kernel=find_kernel())
    assert 50 < held.earliest_event_ms < 51
    assert held.early_reuse > 0
    assert held == await measure(hold_ms, kernel=find_kernel())
