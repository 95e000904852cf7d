"""Linux's 50 ms, measured on a real kernel's driver on virtual time."""

import pytest

from compositor import Machine
from compositor.commands.studies.fifty_ms import measure
from guest import UmlGuest
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


async def switch_off(hold_ms: int, lines: list[str]) -> int:
    """Until a kernel whose fences are held is off; returns when that is, ns."""
    async with Machine(outputs=["640x480@999"], repaint="flush", report=lines.append) as machine:
        guest = UmlGuest("pageflip", command=["--frames", "4", "--before-tick", "0.02"])
        attachment = await machine.attach(guest)
        attachment.display.hold_ns = hold_ms * 1_000_000
        await machine.run()
        return machine.clock.now_ns()


@pytest.mark.parametrize("hold_ms", [150, 400, 3000])
async def test_a_kernel_whose_last_flush_is_out_switches_itself_off_behind_it(hold_ms: int) -> None:
    """Linux never ends if a flush is answered after the driver was taken away: init waits for the answer."""
    lines = list[str]()
    ended = [await switch_off(hold_ms, lines) for _ in range(2)]
    assert ended[0] == ended[1] < 10_000_000_000 + 5 * hold_ms * 1_000_000
    assert not any("switched itself off" in line for line in lines)
    late = [line for line in lines if "its flush fence" in line]
    assert len(late) == 2
    assert late[0] == late[1]
    assert late[0].startswith("uml: ")
    assert late[0].endswith("Linux's driver waits 50")


async def test_a_kernel_that_never_ends_switching_itself_off_is_ended_the_same_in_every_run() -> None:
    lines = list[str]()
    ended = [await switch_off(20_000, lines) for _ in range(2)]
    assert ended[0] == ended[1]
    assert [line for line in lines if "switched itself off" in line] == [
        "uml: switched itself off, and 10 s later its kernel still waited for something, "
        "an answer of the display perhaps; ended it"
    ] * 2
