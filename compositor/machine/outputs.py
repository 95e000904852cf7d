"""A machine's outputs at run time: each with a presenter that repaints it and a screen that shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compositor.errors import BadInput, Misuse
from compositor.layout import Monitor, check_monitors
from compositor.mode import Mode
from compositor.observe.digest import Digest
from compositor.output import Output
from compositor.pictures import Pictures
from compositor.presenter import Presenter, Repaint
from compositor.scene_tree import SceneTree
from compositor.screen.headless import HeadlessScreen, Screen
from compositor.timing import TimingModel
from virtio.clock import Calendar, Clock
from virtio.clock.calendar import NANOSECONDS

MAX_OUTPUTS = 16


@dataclass(frozen=True, slots=True)
class Repainting:
    """When outputs are repainted, where that is shown and counted.

    Attributes:
        repaint: As `Machine` takes it.
        delay_ns: As `Machine` takes `repaint_delay_ns`.
        timing: What the host's work costs.
        window: Whether there is a window for each output.
        digest: Where frames are counted.
    """

    repaint: Repaint
    delay_ns: int
    timing: TimingModel
    window: bool
    digest: Digest | None


class Outputs:
    """A machine's outputs; closed with the machine.

    Args:
        outputs: 1 to 16; those without a name are numbered.
        repainting: When, and where to.
        on_closed: Called when somebody closed a window, with what its driver complains of, if it does.
        on_screenshot: Somebody at a window asked for one: gets the output's name and its picture.

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
        repainting: Repainting,
        *,
        on_closed: Callable[[BaseException | None], None],
        on_screenshot: Callable[[str, NDArray[np.uint8]], None] | None,
    ) -> None:
        if not 1 <= len(outputs) <= MAX_OUTPUTS:
            raise BadInput(f"{len(outputs)} outputs: a machine has 1 to {MAX_OUTPUTS}")
        self.all = [Output(output) if isinstance(output, str) else output for output in outputs]
        for index, output in enumerate(self.all):
            output.name = output.name or f"output-{index}"
        check_monitors(self._monitors())
        self.presenters: list[Presenter] = []
        self.tree = SceneTree(self.presenters)
        self.pictures = Pictures()
        self._repainting = repainting
        self._on_closed = on_closed
        self._on_screenshot = on_screenshot

    def open(self, clock: Clock) -> None:
        """Begin to repaint and to show them.

        Raises:
            BadInput: The repaint's delay is longer than a period.
            ScreenError: There is no display for the windows.
        """
        self._clock = clock
        try:
            for output in self.all:
                self.presenters.append(self._open(output, clock))
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

    def check(self, index: int, mode: Mode, *, plug: bool = False) -> None:
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

    def set_mode(self, index: int, mode: Mode) -> None:
        """Switch an output to a mode that was checked."""
        self.presenters[index].set_mode(mode)
        self.tree.outputs_changed()

    def check_new(self, output: Output) -> None:
        """Whether there is room for one more output, which is given a name; changes nothing else.

        Raises:
            BadInput: There are 16 already, its name is taken, or it overlaps another.
        """
        if len(self.all) >= MAX_OUTPUTS:
            raise BadInput(f"{MAX_OUTPUTS} outputs are there already: a machine has no more")
        output.name = output.name or f"output-{len(self.all)}"
        check_monitors([*self._monitors(), Monitor.of(output)])

    def add(self, output: Output) -> Presenter:
        """One more output, which was checked, behind the others."""
        presenter = self._open(output, self._clock)
        self.all.append(output)
        self.presenters.append(presenter)
        self.tree.outputs_changed()
        return presenter

    def plug(self, index: int, mode: Mode) -> None:
        """Plug a monitor in that was checked."""
        self.presenters[index].set_mode(mode)
        self.presenters[index].plug(self._open_screen(self.all[index]))
        self.tree.outputs_changed()

    def unplug(self, index: int) -> None:
        """Take a monitor away; what it showed last can still be asked for."""
        self.pictures.keep(self.all[index].name)
        self.presenters[index].unplug()
        self.tree.outputs_changed()

    def _monitors(self) -> list[Monitor]:
        return [Monitor.of(output) for output in self.all]

    def _open(self, output: Output, clock: Clock) -> Presenter:
        how = self._repainting
        period_ns = -(-1_000 * NANOSECONDS // output.mode.refresh_mhz)
        if not 0 <= how.delay_ns < period_ns:
            raise BadInput(f"repaint_delay_ns {how.delay_ns}: a period of {output.name} has {period_ns} ns")
        presenter = Presenter(
            output,
            clock,
            screen=self._open_screen(output) if output.plugged else HeadlessScreen(),
            digest=how.digest,
            repaint=how.repaint,
            min_interval_ns=period_ns if how.window else 0,
            repaint_delay_ns=how.delay_ns,
            timing=how.timing,
            exact=isinstance(clock, Calendar),
        )
        presenter.listeners.append(self.pictures.presented)
        presenter.on_blank = lambda: self.pictures.keep(output.name)
        return presenter

    def _open_screen(self, output: Output) -> Screen:
        if not self._repainting.window:
            return HeadlessScreen()
        # Where there is no window there need be no pyglet.
        from compositor.screen.window import WindowScreen  # noqa: PLC0415

        def wants_screenshot() -> None:
            if self._on_screenshot is not None and self.pictures.has(output.name):
                self._on_screenshot(output.name, self.pictures.get(output.name))

        screen = WindowScreen(
            output, on_close=lambda: self._on_closed(screen.error), on_screenshot=wants_screenshot
        )
        return screen
