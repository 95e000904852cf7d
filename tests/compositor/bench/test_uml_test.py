"""The benchmark of tests with real kernels holds its guests to their work; real ones are in `tests/real`."""

import asyncio

import pytest

from compositor import Machine
from compositor.bench.uml_test import BenchFailed, _check, fresh_test, kernel_alone, reused_test, seconds
from guest import SimulatedGuest, UmlGuest


async def test_a_guest_that_shows_too_little_is_no_figure() -> None:
    async with Machine(outputs=["160x120@60"]) as machine:
        await machine.attach(SimulatedGuest("gears"))
        await machine.run(frames=59)
        with pytest.raises(BenchFailed, match="a second of flips were 59 frames, and not 60"):
            _check(machine)
        await machine.run(frames=1)
        _check(machine)


@pytest.mark.real
def test_what_is_measured_takes_time() -> None:
    for test in (fresh_test, kernel_alone):
        assert asyncio.run(seconds(test)) > 0


@pytest.mark.real
async def test_a_session_is_measured_more_than_once() -> None:
    async with Machine(repaint="flush") as machine:
        guest = await machine.attach(UmlGuest(session=True))
        for _ in range(2):
            await reused_test(machine, guest)
