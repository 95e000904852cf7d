"""When faults happen: at times, at moments of outputs and guests, when a condition holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from compositor import Machine
from compositor.faults import DelayKicks, DropVblanks, Hotplug, Kill, LoseKicks, Scribble, Stall, inject
from compositor.faults.hook import Hook
from guest import SimulatedGuest

Play = Callable[..., Any]
PERIOD_NS = 1e9 / 60


def when(injection: Any) -> list[float]:
    """In refreshes."""
    return [round(time_ns / PERIOD_NS, 3) for time_ns, _ in injection.happened]


async def test_faults_happen_at_their_times_and_moments(scene: Play) -> None:
    async with scene() as it:
        injection = it.inject(
            DelayKicks("gears", 0, at=10.5 / 60),
            DelayKicks("gears", 0, frame=20),
            DelayKicks("gears", 0, commit=30),
            DelayKicks("gears", 0, command="RESOURCE_FLUSH", nth=40),
            DelayKicks("gears", 0, frame=50, of="right", at=0.5 / 60),
        )
        await it.machine.run(seconds=1)
        assert when(injection) == [10.5, 20, 30, 39, 50.5], "the first flush is at the start"
        assert len(it.times["left"]) == 60


async def test_a_fault_at_a_frame_happens_before_the_guest_hears_of_it(scene: Play) -> None:
    async with scene() as it:
        injection = it.inject(DelayKicks("gears", ms=0, frame=10))
        heard: list[int] = []
        it.gears.display.listeners.append(lambda _name, _feedback: heard.append(len(injection.happened)))
        await it.machine.run(frames=11)
        assert heard[8:11] == [0, 1, 1]


async def test_the_times_of_a_script_count_from_its_condition(scene: Play) -> None:
    async with scene() as it:
        injection = it.inject(
            DelayKicks("gears", ms=0, at=0.1), when=lambda: it.gears.guest.frames_submitted >= 12
        )
        await it.machine.run(seconds=0.5)
        assert when(injection) == [11 + 6]


async def test_a_condition_that_never_holds(scene: Play) -> None:
    async with scene() as it:
        injection = it.inject(Kill("gears"), when=lambda: False)
        await it.machine.run(seconds=0.2)
        assert injection.happened == []
        injection.close()
        await it.machine.run(seconds=0.2)


async def test_what_waits_can_be_called_off(scene: Play) -> None:
    async with scene() as it:
        injection = it.inject(Kill("gears", at=0.1), Kill("gears", frame=20), LoseKicks("gears", commit=30))
        injection.close()
        await it.machine.run(seconds=1)
        assert (injection.happened, injection.skipped) == ([], [])
        assert it.frames()["presented"] == 60


def attributes(machine: Machine) -> list[dict[str, Any]]:
    """What hangs on the objects that faults meet with."""
    owners: list[object] = [machine.presenter(output) for output in machine.outputs]
    for attachment in machine.guests:
        guest = attachment.guest  # type: ignore[attr-defined]
        owners += [attachment, attachment.device, guest.transport]
    return [{name: value for name, value in vars(owner).items() if callable(value)} for owner in owners] + [
        {str(index): set(output.listeners)} for index, output in enumerate(machine.outputs)
    ]


async def test_nothing_is_left_of_faults_that_have_happened(scene: Play) -> None:
    """No hook, no listener: the run is as fast as before."""
    async with scene() as it:
        before = attributes(it.machine)
        it.inject(
            LoseKicks("gears", queue="cursor"),
            DelayKicks("gears", at=0.1),
            Stall("gears", ms=10, frame=8),
            DropVblanks("left", commit=9),
            Scribble("gears", command="RESOURCE_FLUSH", nth=20),
            Hotplug("left", ms=10, frame=30),
            when=lambda: it.machine.presented >= 2,
        )
        await it.machine.run(seconds=0.1)
        assert attributes(it.machine) != before, "the one about the cursor's queue waits"
        await it.machine.run(seconds=0.7)
        it.gears.guest.driver.update_cursor(0, 0, (0, 0))
        it.gears.guest.driver.notify()
        await it.machine.run(seconds=0.1)
        assert attributes(it.machine) == before
        assert it.gears.display.keep is None


class Owner:
    def call(self, text: str) -> str:
        return text


def test_hooks_on_one_callable_lie_over_each_other_and_go_in_any_order() -> None:
    owner = Owner()
    first = Hook(owner, "call", lambda before, text: before(text + "1"))
    second = Hook(owner, "call", lambda before, text: before(text + "2"))
    assert owner.call("") == "21"
    first.remove()
    first.remove()
    assert owner.call("") == "2"
    second.remove()
    assert owner.call("") == ""
    assert vars(owner).get("call") is None or owner.call("x") == "x"
    third = Hook(owner, "call", lambda before, text: before(text + "3"))
    fourth = Hook(owner, "call", lambda before, text: before(text + "4"))
    fourth.remove()
    assert owner.call("") == "3"
    third.remove()
    assert owner.call("") == ""


def test_an_attribute_that_is_called_is_put_back() -> None:
    owner = Owner()
    call = owner.call = lambda text: text + "!"  # type: ignore[method-assign]
    Hook(owner, "call", lambda before, text: before(text)).remove()
    assert owner.call is call


@pytest.mark.parametrize("seconds", [0.2, 0.5])
async def test_the_same_script_gives_the_same_digest(seconds: float) -> None:
    async def digest() -> Any:
        async with Machine(outputs=["64x48@60"], report=lambda _line: None) as machine:
            await machine.attach(SimulatedGuest("gears"))
            inject(
                machine, Scribble("gears", at=0.1), DropVblanks("output-0", commit=9), Stall("gears", frame=4)
            )
            await machine.run(seconds=seconds)
            return machine.stats()["digest"]

    assert await digest() == await digest()
