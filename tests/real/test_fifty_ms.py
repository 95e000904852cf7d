"""Linux's 50 ms, measured on a real kernel's driver on virtual time."""

import pytest

from compositor.commands.fifty_ms import linux, measure
from guest.linux.kernel import find_kernel

pytestmark = pytest.mark.real

MODE = "640x480@60"


@pytest.mark.parametrize("hold_ms", [0, 20, 49])
async def test_a_kernel_that_is_answered_in_time_draws_over_nothing(hold_ms: int) -> None:
    held = await measure(lambda: linux(find_kernel()), hold_ms, output=MODE)
    assert (held.early_reuse, held.flips_outstanding) == (0, 1)


@pytest.mark.parametrize("hold_ms", [70, 200])
async def test_a_kernel_that_gave_up_is_found_the_same_in_every_run(hold_ms: int) -> None:
    held = await measure(lambda: linux(find_kernel()), hold_ms, output=MODE)
    assert held.early_reuse > 0
    assert held == await measure(lambda: linux(find_kernel()), hold_ms, output=MODE)
