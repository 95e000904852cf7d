"""The fixture `screenshot`: compares pictures with golden ones beside the test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compositor.compare import compare, open_golden, write_golden
from compositor.compare.comparison import Comparison
from compositor.compare.tolerance import Tolerable, Tolerance
from compositor.errors import BadInput, Misuse
from compositor.machine import Machine
from compositor.output.output import Output
from compositor.pixels.geometry import Rect
from compositor.testing.evidence import FailedCheck, Picture
from compositor.testing.goldens import approved
from compositor.testing.naming import folder_of, picture_name
from compositor.testing.results import save_pictures
from compositor.testing.subjects import Cut, Subject, cut, differing_cells, find_output, joined, subject_of

if TYPE_CHECKING:
    from compositor.testing.harness import Harness

WITHIN_S = 10.0


class PictureDiffers(AssertionError):
    """A picture is not as it was approved, or was never approved."""


class Screenshot:
    """The fixture `screenshot`.

    A golden picture lies in `golden/FILE/` beside the file of tests, and is called after the test, its
    parameters and `name`. Every check takes these arguments:

    - picture: a machine, one of its outputs, a frame, an array of RGBA, RGB or grey, a Pillow image, the path
      of a PNG, or a list of such: an animation;
    - name: tells the pictures of one test apart; the only one of a test needs none;
    - output: which output of a machine that has several;
    - mask: what is not compared: a rectangle (x, y, width, height), a guest or its name, a node of the scene,
      the name of a surface, a boolean array, a PNG; or a list of rectangles, guests and nodes;
    - clip: the part that is compared, and kept; as `mask`;
    - tolerance: what may differ; by default nothing, as composition is exact. See
      `compositor.compare.Tolerance`.
    """

    def __init__(self, harness: Harness) -> None:
        self._harness = harness

    def __repr__(self) -> str:
        return "<fixture screenshot>"

    def check(
        self,
        picture: Any,
        name: str | None = None,
        *,
        output: Output | str | int = 0,
        mask: Any = None,
        clip: Any = None,
        tolerance: Tolerable = None,
    ) -> None:
        """Compare what is there now.

        Raises:
            PictureDiffers: It is not as approved, or there is no approved one yet, and it was written.
            BadInput: A file, a name, a mask or a tolerance makes no sense.
        """
        __tracebackhide__ = True
        openings = self._harness.openings
        if isinstance(picture, list | tuple):
            subjects = [subject_of(one, output, openings) for one in picture]
            self._check(name, *_animation(subjects, mask, clip), tolerance)
        else:
            subject = subject_of(picture, output, openings)
            self._check(name, subject, cut(subject, mask, clip), tolerance)

    async def check_at(
        self,
        machine: Machine,
        name: str | None = None,
        *,
        frame: int | None = None,
        stable: int | None = None,
        when: Callable[[], object] | None = None,
        within: float = WITHIN_S,
        output: Output | str | int = 0,
        mask: Any = None,
        clip: Any = None,
        tolerance: Tolerable = None,
    ) -> None:
        """Wait for the moment, then compare.

        Args:
            machine: Whose output.
            name: As for `check`; so are `output`, `mask`, `clip` and `tolerance`.
            frame: When the output presents its frame of this number, from 1.
            stable: When its picture has not changed for so many refreshes.
            when: When this returns something true.
            within: How long to wait, seconds on the run's clock.
            output: See above.
            mask: See above.
            clip: See above.
            tolerance: See above.

        Raises:
            Misuse: Not exactly one of the three moments is given, or the frame has been presented before.
            WaitFailed: The moment did not come in time.
            PictureDiffers: As `check`.
        """
        __tracebackhide__ = True
        await _moment(machine, output, frame, stable, when, within)
        self.check(machine, name, output=output, mask=mask, clip=clip, tolerance=tolerance)

    async def check_sequence(
        self,
        machine: Machine,
        name: str | None = None,
        *,
        frames: int,
        every: int = 1,
        within: float = WITHIN_S,
        output: Output | str | int = 0,
        mask: Any = None,
        clip: Any = None,
        tolerance: Tolerable = None,
    ) -> None:
        """Compare the next frames that are presented, as one picture of all of them, row after row.

        Args:
            machine: Whose output.
            name: As for `check`; so are `output`, `mask`, `clip` and `tolerance`.
            frames: How many pictures, 1 or more.
            every: Take each so many-th frame.
            within: For each frame, seconds on the run's clock.
            output: See above.
            mask: See above; of every frame.
            clip: See above; of every frame.
            tolerance: See above.

        Raises:
            BadInput: `frames` or `every` is below 1, or the frames do not fit into one picture.
            WaitFailed: They did not come in time.
            PictureDiffers: As `check`.
        """
        __tracebackhide__ = True
        if min(frames, every) < 1:
            raise BadInput(f"frames={frames}, every={every}: both are 1 or more")
        cuts = []
        for _ in range(frames):
            await machine.frames(every, output, within=within)
            subject = subject_of(machine, output, self._harness.openings)
            cuts.append(cut(subject, mask, clip))
        self._check(name, subject, joined(cuts), tolerance)

    # What they have in common.

    def _check(self, name: str | None, subject: Subject, part: Cut, tolerance: Tolerable) -> None:
        __tracebackhide__ = True
        harness, allowed = self._harness, Tolerance.of(tolerance)
        called = picture_name(harness.item, name)
        golden = folder_of(harness.item.path) / f"{called}.png"
        if str(golden) in harness.goldens:
            raise BadInput(
                f"this test has checked {called}.png already: give each picture a name, with name="
            )
        harness.session.claim(golden, harness.item.nodeid)
        harness.goldens.append(str(golden))
        judgement = Judgement(harness, golden, subject, part, allowed)
        judgement.pronounce()


class Judgement:
    """One picture and the golden ones that it may look like: equal, written, or a failure."""

    def __init__(
        self, harness: Harness, golden: Path, subject: Subject, part: Cut, tolerance: Tolerance
    ) -> None:
        self._harness, self._golden = harness, golden
        self._subject, self._part, self._tolerance = subject, part, tolerance
        self._update = harness.session.update

    def pronounce(self) -> None:
        """Compare, and write what the options ask for.

        Raises:
            PictureDiffers: It is as no approved picture is, or there is none.
            BadInput: A golden picture cannot be read or written.
        """
        __tracebackhide__ = True
        closest: tuple[Path, Comparison] | None = None
        for path in approved(self._golden):
            found = self._compared(path)
            if found is not None and found.equal:
                if self._update == "all":
                    self._write(path)
                return
            if found is not None and (closest is None or found.count < closest[1].count):
                closest = path, found
        if closest is None:
            self._first()
        elif self._update in ("changed", "all"):
            self._write(closest[0])
        else:
            self._fail(*closest)

    def _compared(self, path: Path) -> Comparison | None:
        """How it differs from an approved picture; None where that cannot be read, and is to be replaced.

        Raises:
            BadInput: It cannot be read, or a tolerance makes no sense.
        """
        __tracebackhide__ = True
        part = self._part
        try:
            golden = open_golden(path)
            mask = part.mask if golden.size == (part.pixels.shape[1], part.pixels.shape[0]) else None
            return compare(golden, part.pixels, tolerance=self._tolerance, mask=mask)
        except BadInput as error:
            if self._update in ("changed", "all"):
                return None
            raise BadInput(f"{error}; {self._how_to_update()}, or restore it") from None

    def _first(self) -> None:
        __tracebackhide__ = True
        self._write(self._golden)
        if self._update is None:
            says = (
                f"there was no golden picture {self._golden.name}: it is written to "
                f"{self._told(self._golden)}; look at it, and run the test again"
            )
            self._keep(says, self._golden, None, None)
            raise PictureDiffers(says)

    def _write(self, path: Path) -> None:
        """Write it as the approved one; where that fails, the old one stays."""
        __tracebackhide__ = True
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"cannot write {path}: {error.strerror}") from None
        metadata = {**self._subject.metadata(), "test": self._harness.item.nodeid}
        write_golden(path, self._part.pixels, metadata)

    def _fail(self, golden: Path, found: Comparison) -> None:
        __tracebackhide__ = True
        saved = self._keep(str(found), golden, found.expected.pixels, found.image)
        lines = [f"{golden.name}: {found}", *self._there(found)]
        paths = {**saved, "expected": golden}
        lines += [f"{kind + ':':<12}{self._told(path)}" for kind, path in paths.items()]
        lines.append(f"{'update:':<12}{self._how_to_update()}")
        if self._harness.openings:
            lines.append(f"{'replay:':<12}{self._how_to_replay()}")
        raise PictureDiffers("\n".join(lines))

    def _keep(
        self, says: str, golden: Path, expected: Picture | None, difference: Picture | None
    ) -> dict[str, Path]:
        """Have the results of the test show it; where its pictures are now."""
        check = FailedCheck(self._golden.stem, says, golden, expected, self._part.pixels, difference)
        self._harness.evidence.checks.append(check)
        return save_pictures(check, self._harness)

    def _there(self, found: Comparison) -> list[str]:
        if self._part.cells:
            differing = differing_cells(self._part, found.expected.pixels)
            return [f"{'frames:':<12}{', '.join(map(str, differing))} of {len(self._part.cells)}"]
        x, y = self._part.origin
        names = self._subject.names_within(Rect(*found.bounds).translate(x, y))
        return [f"{'there:':<12}{', '.join(names)}"] if names else []

    def _how_to_update(self) -> str:
        return f"pytest --update-screenshots=changed '{self._harness.item.nodeid}'"

    def _how_to_replay(self) -> str:
        recordings = self._harness.evidence.recordings
        if recordings:
            return "; ".join(f"scanout replay {self._told(path)}" for path in recordings)
        return f"pytest --scanout-record '{self._harness.item.nodeid}', then scanout replay"

    def _told(self, path: Path) -> str:
        return self._harness.session.told(path)


async def _moment(
    machine: Machine,
    output: Output | str | int,
    frame: int | None,
    stable: int | None,
    when: Callable[[], object] | None,
    within: float,
) -> None:
    __tracebackhide__ = True
    if [frame, stable, when].count(None) != 2:
        raise Misuse("say when to look, in one way: frame=N, stable=N or when=function")
    if stable is not None:
        await machine.settled(stable, output, within=within)
    elif when is not None:
        await machine.until(when, within=within)
    elif frame is not None:
        await _frame(machine, output, frame, within)


async def _frame(machine: Machine, output: Output | str | int, frame: int, within: float) -> None:
    __tracebackhide__ = True
    shown = find_output(machine, output)
    if shown.presented_seq > frame:
        raise Misuse(f"frame {frame} of {shown.name} is gone: {shown.presented_seq} were presented")
    if shown.presented_seq < frame:
        await machine.frames(frame - shown.presented_seq, output, within=within)


def _animation(subjects: Sequence[Subject], mask: Any, clip: Any) -> tuple[Subject, Cut]:
    whole = joined([cut(subject, mask, clip) for subject in subjects])
    return subjects[-1], whole
