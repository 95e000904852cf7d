"""Faults on demand: what goes wrong in a run, at a time or at a moment, as a script that can be kept.

async with Machine(outputs=["640x480@60"]) as machine:
    await machine.attach(SimulatedGuest("gears"))
    inject(machine, LoseInterrupts("gears", frame=30), Reboot("gears", at=1.0))
    await machine.run(seconds=2)
"""

from compositor.faults.check import KINDS, check_fault
from compositor.faults.inject import Injection, inject
from compositor.faults.script import (
    AnyFault,
    DelayFences,
    DelayInterrupts,
    DelayKicks,
    DropVblanks,
    FailFences,
    Hotplug,
    Kill,
    LoseFences,
    LoseInterrupts,
    LoseKicks,
    NeedReset,
    Reboot,
    ReorderInterrupts,
    ReorderKicks,
    Scribble,
    Script,
    ScriptedFault,
    Stall,
)

__all__ = [
    "Script",
    "inject",
    "Injection",
    "AnyFault",
    "ScriptedFault",
    "KINDS",
    "check_fault",
    "LoseKicks",
    "DelayKicks",
    "ReorderKicks",
    "LoseInterrupts",
    "DelayInterrupts",
    "ReorderInterrupts",
    "DelayFences",
    "LoseFences",
    "FailFences",
    "Stall",
    "Kill",
    "Reboot",
    "NeedReset",
    "Scribble",
    "DropVblanks",
    "Hotplug",
]
