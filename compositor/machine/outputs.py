"""A machine's outputs at run time: each with a presenter that repaints it and a screen that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from compositor.errors import BadInput, Misuse
from compositor.machine.pictures import Pictures
from compositor.machine.presenter import Presenter, Presenting
from compositor.output.mode import Mode
from compositor.output.output import Output
from compositor.record.recorder import Recorder
from compositor.scene.layout import Monitor, check_monitors
from compositor.scene.tree import SceneTree
from virtio.arguments import check_type, shown
from virtio.clock import Clock

MAX_OUTPUTS = 16


class Outputs:
    """A machine's outputs; closed with the machine.

    Args:
        outputs: 1 to 16; those without a name are numbered.
        presenting: When they are repainted, and on what they are shown.

    Attributes:
        all: In the order in which placements count them.
        presenters: One for each, while the machine runs.
        tree: What is on them.
        pictures: What they showed last.

    Raises:
        BadInput: No output or more than 16.
    """

    def __init__(
        self,
        outputs: Sequence[Output | str],
        presenting: Presenting,
    ) -> None:
        if isinstance(outputs, str) or not isinstance(outputs, Sequence):
            raise Misuse(f"outputs={shown(outputs)}: a list is needed, as [{shown(outputs)}]")
        for output in outputs:
            check_type("outputs", output, (str, Output), "an Output, or a mode, in each place")
        if not 1 <= len(outputs) <= MAX_OUTPUTS:
            raise BadInput(f"{len(outputs)} outputs: a machine has 1 to {MAX_OUTPUTS}")
        self.all = [Output(output) if isinstance(output, str) else output for output in outputs]
        for index, output in enumerate(self.all):
            output.name = output.name or f"output-{index}"
        check_monitors(self._monitors())
        self.presenters: list[Presenter] = []
        self.tree = SceneTree(self.all)
        self.pictures = Pictures()
        self._presenting = presenting
        self._recorder: Recorder | None = None

    def open(self, clock: Clock) -> None:
        """Begin to repaint and to show them.

        Raises:
            BadInput: The repaint's delay is longer than a period.
            ScreenError: There is no display for the windows.
        """
        self._clock = clock
        try:
            for output in self.all:
                self.presenters.append(self._presenting.presenter(output, clock, self.pictures))
        except BaseException:
            self.close()
            raise
        self.tree.outputs_changed()

    def close(self) -> None:
        """Give the screens back."""
        for presenter in self.presenters:
            presenter.close()

    def index(self, output: Output | str | int) -> int:
        """Which one is meant: an output, its name, or its number.

        Raises:
            BadInput: There is no such output.
        """
        if isinstance(output, int):
            found = output if 0 <= output < len(self.all) else None
        else:
            matches = (i for i, o in enumerate(self.all) if o is output or o.name == output)
            found = next(matches, None)
        if found is None:
            what = output.name or str(output.mode) if isinstance(output, Output) else output
            raise BadInput(f"no output {what}; there are {', '.join(o.name for o in self.all)}")
        return found

    def record(self, recorder: Recorder) -> None:
        """Have everything recorded that they show, and what becomes of them."""
        self._recorder = recorder
        for index, presenter in enumerate(self.presenters):
            self._record_frames(recorder, index, presenter)

    def set_mode(self, output: Output | str | int, mode: str) -> None:
        """See `Machine.set_mode`; the guests have to be told."""
        index, parsed = self.index(output), Mode.parse(mode)
        self._check(index, parsed)
        if self._recorder is not None:
            self._recorder.mode_set(index, str(parsed))
        self.presenters[index].set_mode(parsed)
        self.tree.outputs_changed()

    def plug(self, output: Output | str | int, mode: str | None = None) -> int:
        """See `Machine.plug`; the guests have to be told."""
        if isinstance(output, Output) and output not in self.all:
            index = self._add(output)
        else:
            index = self.index(output)
            self._plug_in(index, self.all[index].mode if mode is None else Mode.parse(mode))
        self.tree.outputs_changed()
        return index

    def unplug(self, output: Output | str | int) -> None:
        """See `Machine.unplug`; the guests have to be told. What it showed last can still be asked for."""
        index = self.index(output)
        if not self.all[index].plugged:
            raise Misuse(f"{self.all[index].name} is not plugged in")
        if self._recorder is not None:
            self._recorder.unplugged(index)
        self.pictures.keep(self.all[index].name)
        self.presenters[index].unplug()
        self.tree.outputs_changed()

    def _add(self, output: Output) -> int:
        """One more output, behind the others."""
        if len(self.all) >= MAX_OUTPUTS:
            raise BadInput(f"{MAX_OUTPUTS} outputs are there already: a machine has no more")
        index = len(self.all)
        output.name = output.name or f"output-{index}"
        check_monitors([*self._monitors(), Monitor.of(output)])
        if self._recorder is not None:
            self._recorder.plugged(index, output, output.mode)
        presenter = self._presenting.presenter(output, self._clock, self.pictures)
        self.all.append(output)
        self.presenters.append(presenter)
        if self._recorder is not None:
            self._record_frames(self._recorder, index, presenter)
        return index

    def _plug_in(self, index: int, mode: Mode) -> None:
        """A monitor for an output that has none."""
        self._check(index, mode, plug=True)
        if self._recorder is not None:
            self._recorder.plugged(index, self.all[index], mode)
        self.presenters[index].set_mode(mode)
        self.presenters[index].plug(self._presenting.screen(self.all[index], self.pictures))

    def _check(self, index: int, mode: Mode, *, plug: bool = False) -> None:
        """Whether an output may switch to `mode`, and be plugged in; changes nothing.

        Raises:
            BadInput: No such mode, or it overlaps another output.
            Misuse: It shall be plugged in, and is.
        """
        self.all[index].check_mode(mode)
        if plug and self.all[index].plugged:
            raise Misuse(f"{self.all[index].name} is plugged in already")
        monitors = self._monitors()
        monitors[index] = monitors[index]._replace(mode=mode, plugged=plug or self.all[index].plugged)
        check_monitors(monitors)

    def _record_frames(self, recorder: Recorder, index: int, presenter: Presenter) -> None:
        presenter.output.listeners.append(partial(recorder.presented, index))
        presenter.on_commit = partial(recorder.committed, index)

    def _monitors(self) -> list[Monitor]:
        return [Monitor.of(output) for output in self.all]
