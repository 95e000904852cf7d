"""Two guests on two outputs, of which one meets with faults."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from compositor import Machine, Output, Placement
from compositor.faults import AnyFault, Injection, inject
from compositor.machine.attachment import SimulatedAttachment
from compositor.output.frame import Frame
from guest import SimulatedGuest


@dataclass
class Scene:
    """A machine with the guests "gears" and "plasma", each alone on an output: "left" and "right".

    Attributes:
        machine: The machine.
        lines: What was reported.
        times: When frames were presented, in ns, by output.
        pictures: What they were, as checksums do not tell: the stamps of "right".
    """

    machine: Machine
    lines: list[str]
    times: dict[str, list[int]] = field(default_factory=lambda: {"left": [], "right": []})
    ids: list[Any] = field(default_factory=list)

    def inject(self, *faults: AnyFault, **options: Any) -> Injection:
        return inject(self.machine, *faults, **options)

    @property
    def gears(self) -> SimulatedAttachment:
        attachment = self.machine.guests[0]
        assert isinstance(attachment, SimulatedAttachment)
        return attachment

    def frames(self, guest: int = 0) -> dict[str, int]:
        found: dict[str, int] = self.machine.stats()["guests"][guest]["frames"]
        return found

    def note(self, frame: Frame) -> None:
        self.times[frame.output].append(frame.present_time_ns)
        if frame.output == "right":
            self.ids.append(frame.frame_ids)

    def check_that_the_other_noticed_nothing(self) -> None:
        """Sixty frames a second, all of them, one after the other, at their vblanks."""
        times, grid = self.times["right"], self.machine.outputs[1].grid
        assert times == [grid.vblank_ns(index) for index in range(1, len(times) + 1)]
        assert len(times) == grid.index_at(self.machine.clock.now_ns())
        assert self.ids == [{"plasma": number} for number in range(len(times))]
        assert self.frames(1)["torn"] == self.frames(1)["discarded"] == 0


Play = Callable[..., Any]


@pytest.fixture
def scene() -> Play:
    @asynccontextmanager
    async def play(pacing: str | None = None, **guest: Any) -> AsyncIterator[Scene]:
        lines: list[str] = []
        left = Output("64x48@60", name="left", pacing=pacing)
        right = Output("64x48@60", name="right")
        async with Machine(outputs=[left, right], report=lines.append) as machine:
            await machine.attach(SimulatedGuest("gears", **guest), [Placement(output=0)])
            await machine.attach(SimulatedGuest("plasma"), [Placement(output=1)])
            found = Scene(machine, lines)
            for output in machine.outputs:
                machine.listen(output, found.note)
            yield found
            found.check_that_the_other_noticed_nothing()

    return play
