"""A vblank is missed that shows nothing new though a frame had been asked for before it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from compositor import Machine, Output
from compositor.frame_clock.timing import TimingModel
from compositor.machine.presenter import Presenter
from compositor.screen.headless import HeadlessScreen
from guest import SimulatedGuest


async def counted(pacing: str | None, render_ms: float) -> tuple[int, int]:
    """Frames presented and vblanks missed in 600 refreshes, once it is known what a frame costs."""
    timing = TimingModel(render_ns=round(render_ms * 1e6))
    async with Machine(outputs=[Output("64x48@60", pacing=pacing)], timing=timing) as machine:
        await machine.attach(SimulatedGuest("plasma"))
        await machine.run(seconds=10)
        (output,) = machine.stats()["outputs"]
        return output["presented"], output["missed_vblanks"]


@pytest.mark.parametrize(
    ("pacing", "render_ms", "presented"),
    [
        (None, 0, 600),
        (None, 5, 300),  # begun at a vblank, and so on the screen at the next
        (None, 20, 200),
        ("window=7", 5, 600),
        ("window=7", 12, 300),
        ("adaptive", 12, 600),
        ("adaptive", 20, 300),
    ],
)
async def test_each_vblank_shows_a_frame_or_is_missed(
    pacing: str | None, render_ms: float, presented: int
) -> None:
    """The guest always has a frame to show."""
    shown, missed = await counted(pacing, render_ms)
    assert shown == pytest.approx(presented, abs=2)
    assert shown + missed == pytest.approx(600, abs=2)


async def test_an_output_that_nothing_is_asked_of_misses_nothing() -> None:
    async with Machine(outputs=["64x48@60"]) as machine:
        guest = await machine.attach(SimulatedGuest("plasma", frames=3))
        await machine.run(seconds=10)
        await guest.restart()
        await machine.run(seconds=10)
        assert machine.stats()["outputs"][0]["missed_vblanks"] == 0


class LateClock:
    """Its callbacks come when the test says so."""

    now = 0
    pending: Callable[[], None]

    def now_ns(self) -> int:
        return self.now

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> None:
        self.pending = callback


def test_a_repaint_that_comes_late_has_missed_the_vblanks_in_between() -> None:
    late, output = LateClock(), Output("64x48@60")
    presenter = Presenter(output, late, screen=HeadlessScreen())
    output.repaint()
    late.now = 51_000_000  # vblank 1 was asked for; 2 and 3 have passed as well
    late.pending()
    assert output.presented_seq == 1
    assert presenter.statistics().missed_vblanks == 2
    late.now = 90_000_000  # vblank 5; nothing was asked for since
    output.repaint()
    late.now = 100_000_000
    late.pending()
    assert presenter.statistics().missed_vblanks == 2
