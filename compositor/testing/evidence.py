"""What a failing test can be understood from: what its machines showed, and when, and what they counted."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compositor.errors import ScanoutError
from compositor.output.frame import Frame

if TYPE_CHECKING:
    from compositor.testing.machines import Opening

TIMELINE = 600
"""Frames of a machine that are remembered, the last ones."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """A picture that is not as it was approved.

    Attributes:
        name: Of the golden picture, without its ending.
        says: What is wrong, a line or more.
        golden: Where the golden picture is, or would be.
        expected: (height, width, 4) uint8 RGBA; None: there is none.
        actual: As `expected`.
        difference: As `expected`.
    """

    name: str
    says: str
    golden: Path
    expected: Picture | None
    actual: Picture
    difference: Picture | None


@dataclass(slots=True)
class MachineState:
    """A machine when its test failed.

    Attributes:
        stats: As `Machine.stats` gives them; None: it did not run.
        seed: Of all that is random.
        timeline: Its last frames, oldest first, each as `frame_entry` makes it.
        pictures: What each output showed last, by its name.
        recording: The file; None: it was not recorded.
    """

    stats: dict[str, Any] | None
    seed: int
    timeline: list[dict[str, Any]]
    pictures: dict[str, Picture]
    recording: Path | None


@dataclass(slots=True)
class Evidence:
    """Of one run of one test.

    Attributes:
        collected: Whether `collect` was called.
        checks: Pictures that differ.
        machines: Filled by `collect`.
        recordings: Files that are kept if the test fails.
    """

    collected: bool = False
    checks: list[FailedCheck] = field(default_factory=list)
    machines: list[MachineState] = field(default_factory=list)
    recordings: list[Path] = field(default_factory=list)

    def collect(self, openings: Sequence[Opening]) -> None:
        """Take down what the machines show and have counted, before they are closed."""
        self.collected = True
        self.machines += [_state(opening) for opening in openings if opening.is_open]

    def drop_recordings(self) -> None:
        """The test passed: its recordings are of no use."""
        for path in self.recordings:
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in self.recordings}:
            with contextlib.suppress(OSError):  # there is something else in it
                folder.rmdir()
        self.recordings.clear()

    def clear(self) -> None:
        """Let go of all pictures."""
        self.checks.clear()
        self.machines.clear()


class Timeline:
    """A machine's last frames, taken down as they are presented."""

    def __init__(self) -> None:
        self._frames: deque[tuple[Any, ...]] = deque(maxlen=TIMELINE)

    def presented(self, frame: Frame) -> None:
        """Remember a frame, but for its pixels, which are not ours."""
        self._frames.append(
            (
                frame.output,
                frame.commit_seq,
                frame.present_time_ns,
                frame.direct,
                frame.damage,
                frame.composed,
                frame.frame_ids,
            )
        )

    def entries(self) -> list[dict[str, Any]]:
        """The frames, oldest first, as JSON has them."""
        return [
            {
                "output": output,
                "commit": commit,
                "present_time_ns": time_ns,
                "direct": direct,
                "damage": [list(rect) for rect in damage],
                "composed_bytes": dict(composed),
                "guest_frames": dict(frame_ids),
            }
            for output, commit, time_ns, direct, damage, composed, frame_ids in self._frames
        ]


def _state(opening: Opening) -> MachineState:
    machine = opening.machine
    pictures = {}
    for index, output in enumerate(machine.outputs):
        try:
            pictures[output.name] = machine.screenshot(index)
        except ScanoutError:  # it has shown nothing yet
            continue
    return MachineState(
        machine.stats(), machine.seed, opening.timeline.entries(), pictures, opening.recording
    )
