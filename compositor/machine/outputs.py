"""A machine's outputs at run time: each with a presenter that repaints it and a screen that shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compositor.errors import BadInput
from compositor.mode import Mode
from compositor.observe.digest import Digest
from compositor.output import Output
from compositor.pictures import Pictures
from compositor.presenter import Presenter, Repaint
from compositor.screen.headless import HeadlessScreen, Screen
from compositor.timing import TimingModel
from virtio.clock import Clock
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
        self.presenters: list[Presenter] = []
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
        try:
            for output in self.all:
                self.presenters.append(self._open(output, clock))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the screens back."""
        for presenter in self.presenters:
            presenter.close()

    def set_mode(self, index: int, mode: Mode) -> None:
        """Switch an output to another mode.

        Raises:
            BadInput: No such mode; the output goes on as it was.
        """
        self.presenters[index].set_mode(mode)

    def _open(self, output: Output, clock: Clock) -> Presenter:
        how = self._repainting
        period_ns = -(-1_000 * NANOSECONDS // output.mode.refresh_mhz)
        if not 0 <= how.delay_ns < period_ns:
            raise BadInput(f"repaint_delay_ns {how.delay_ns}: a period of {output.name} has {period_ns} ns")
        presenter = Presenter(
            output,
            clock,
            screen=self._open_screen(output),
            digest=how.digest,
            repaint=how.repaint,
            min_interval_ns=period_ns if how.window else 0,
            latency_ns=how.timing.compose_ns + how.timing.scanout_ns,
            repaint_delay_ns=how.delay_ns,
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
