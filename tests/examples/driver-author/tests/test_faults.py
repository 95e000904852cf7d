"""A driver whose kicks, interrupts and fences go astray."""

from __future__ import annotations

import asyncio

from hypothesis import given

from compositor import Machine, Output
from compositor.faults import DelayFences, Hotplug, LoseInterrupts, Script, inject
from compositor.testing import faults, keeping
from compositor.testing.machines import MachineFactory
from guest import SimulatedGuest

KINDS = ("delay-kicks", "delay-interrupts", "delay-fences", "drop-vblanks", "hotplug", "stall")


async def frames_with(script: Script) -> dict[str, int]:
    """What becomes of a driver's frames in half a second of that."""
    async with Machine(outputs=[Output("64x48@60", name="monitor")]) as screen:
        driver = await screen.attach(SimulatedGuest("gears", name="driver"))
        inject(screen, script)
        await screen.run(seconds=0.5)
        return dict(driver.statistics().frames)


@given(script=faults(guests=["driver"], outputs=["monitor"], kinds=KINDS, most=3))
def test_no_frame_is_torn_whatever_comes_late(script: Script) -> None:
    with keeping(script, "faults/driver.toml"):
        frames = asyncio.run(frames_with(script))
        assert frames["torn"] == frames["early_reuse"] == 0


def test_late_fences_cost_frames_and_nothing_else() -> None:
    frames = asyncio.run(frames_with(Script((DelayFences("driver", ms=40, count=3, frame=5),))))
    undisturbed = asyncio.run(frames_with(Script(())))
    assert 0 < undisturbed["presented"] - frames["presented"] <= 9
    assert frames["torn"] == 0


async def test_a_lost_interrupt_stops_a_driver_that_has_no_timer(machine: MachineFactory) -> None:
    screen = await machine(outputs=[Output("64x48@60", name="monitor")])
    driver = await screen.attach(SimulatedGuest("gears", name="driver"))
    injection = inject(screen, LoseInterrupts("driver", frame=10))
    await screen.run(seconds=1)
    assert driver.statistics().frames["presented"] == 10
    assert len(injection.happened) == 1


async def test_a_monitor_that_goes_and_comes_is_followed(machine: MachineFactory) -> None:
    screen = await machine(outputs=[Output("64x48@60", name="monitor")])
    driver = await screen.attach(SimulatedGuest("gears", name="driver"))
    inject(screen, Hotplug("monitor", ms=100, command="RESOURCE_FLUSH", nth=10))
    await screen.run(seconds=1)
    assert 40 < driver.statistics().frames["presented"] < 60
