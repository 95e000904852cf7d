"""When outputs are repainted, and on what they are shown: in a window or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compositor.errors import BadInput
from compositor.frame_clock.timing import TimingModel
from compositor.machine.pictures import Pictures
from compositor.machine.presenter import Presenter, Repaint
from compositor.observe.digest import Digest
from compositor.output.output import Output
from compositor.screen import Renderer
from compositor.screen.headless import HeadlessScreen, Screen
from virtio.clock import Calendar, Clock
from virtio.clock.calendar import NANOSECONDS


@dataclass(frozen=True, slots=True)
class Presenting:
    """What holds for all outputs of a machine.

    Attributes:
        repaint: As `Machine` takes it.
        delay_ns: As `Machine` takes `repaint_delay_ns`.
        timing: What the host's work costs.
        window: Whether there is a window for each output.
        digest: Where frames are counted.
        on_closed: Called when a user closed a window, or with the error of its driver.
        on_screenshot: Called when a user asks for a screenshot in a window: the output's name, its picture.
        renderer: Who composes what windows show.
    """

    repaint: Repaint
    delay_ns: int
    timing: TimingModel
    window: bool
    digest: Digest | None
    on_closed: Callable[[BaseException | None], None]
    on_screenshot: Callable[[str, NDArray[np.uint8]], None] | None
    renderer: Renderer

    def presenter(self, output: Output, clock: Clock, pictures: Pictures) -> Presenter:
        """Begin to repaint an output, and to show it where a monitor is plugged in.

        Raises:
            BadInput: The repaint's delay is longer than a period.
            ScreenError: There is no display for a window.
        """
        period_ns = -(-1_000 * NANOSECONDS // output.mode.refresh_mhz)
        if not 0 <= self.delay_ns < period_ns:
            raise BadInput(f"repaint_delay_ns {self.delay_ns}: a period of {output.name} has {period_ns} ns")
        presenter = Presenter(
            output,
            clock,
            screen=self.screen(output, pictures) if output.plugged else HeadlessScreen(),
            digest=self.digest,
            repaint=self.repaint,
            min_interval_ns=period_ns if self.window else 0,
            repaint_delay_ns=self.delay_ns,
            timing=self.timing,
            exact=isinstance(clock, Calendar),
        )
        output.listeners.append(pictures.presented)
        output.on_blank = lambda: pictures.keep(output.name)
        return presenter

    def screen(self, output: Output, pictures: Pictures) -> Screen:
        """What an output with a monitor is shown on.

        Raises:
            ScreenError: There is no display for a window.
        """
        if not self.window:
            return HeadlessScreen()
        # Where there is no window there need be no pyglet.
        from compositor.screen.window import WindowScreen  # noqa: PLC0415

        def wants_screenshot() -> None:
            if self.on_screenshot is not None and pictures.has(output.name):
                self.on_screenshot(output.name, pictures.get(output.name))

        screen = WindowScreen(
            output,
            on_close=lambda: self.on_closed(screen.error),
            on_screenshot=wants_screenshot,
            renderer=self.renderer,
        )
        output.screen_composes = screen.composes
        return screen
