"""A soak of minutes; the long ones are `scanout run soak`."""

import asyncio
import json
import random
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from compositor.commands.options import RunOptions
from compositor.commands.scenes import run_scene
from compositor.commands.studies import soak as study
from compositor.commands.studies.soak import VIRTUAL, Pattern, check, live, real, simulated
from compositor.commands.studies.soak_plot import plot
from compositor.commands.studies.soak_sample import Sample, Trend, trends
from compositor.errors import BadInput, RunFailed, WaitFailed
from guest.bare import BareGuest
from guest.process import ProcessGuest
from guest.real import UmlGuest
from guest.simulated import SimulatedGuest

SHORT = VIRTUAL._replace(round_s=50.0, event_s=5.0)
SECONDS = 600.0
COUNTED = ("descriptors", "memfds", "mappings", "threads", "tasks")  # memory is of the whole test process


async def found(pattern: Pattern) -> tuple[list[str], list[Sample]]:
    """What grows of the things that are counted, and the samples; no line may be reported."""
    samples, reports = await live(pattern, SECONDS)
    assert reports == []
    return [trend.name for trend in trends(samples) if trend.name in COUNTED and not trend.flat], samples


async def test_guests_come_and_go_for_ten_minutes_and_leave_nothing() -> None:
    grows, samples = await found(SHORT)
    assert grows == []
    assert len(samples) == SECONDS / SHORT.round_s
    assert samples[-1].events > 100
    assert all(sample.memfds == samples[0].memfds for sample in samples), "all that came have left"
    assert all(sample.latency_ms > 0 for sample in samples)


class Hoarder(SimulatedGuest):
    """A planted leak: it goes, and its memory with the buffers in it stays mapped."""

    kept: ClassVar[list[BareGuest]] = []

    def close(self) -> None:
        if self._parts is not None:
            self._parts[2].close()
            self.kept.append(self)


async def test_buffers_that_are_kept_are_found() -> None:
    def make(number: int, chance: random.Random) -> BareGuest:
        return Hoarder("plasma", memory=4 << 20) if number % 10 == 0 else simulated(number, chance)

    try:
        grows, _ = await found(SHORT._replace(make=make))
        assert {"descriptors", "memfds"} <= set(grows)
    finally:
        while Hoarder.kept:
            SimulatedGuest.close(Hoarder.kept.pop())


async def test_a_task_that_stays_is_found() -> None:
    tasks: list[asyncio.Task[bool]] = []

    def make(number: int, chance: random.Random) -> BareGuest:
        if number % 5 == 0:
            tasks.append(asyncio.create_task(asyncio.Event().wait()))
        return simulated(number, chance)

    grows, _ = await found(SHORT._replace(make=make))
    for task in tasks:
        task.cancel()
    assert grows == ["tasks"]


async def test_guests_in_processes_come_and_go_in_real_time() -> None:
    pattern = real(None)._replace(round_s=0.5, event_s=0.1, rest_s=0.1)
    samples, reports = await live(pattern, 2.0, clock="real")
    assert reports == []
    assert samples[-1].seconds >= 2
    assert samples[-1].events > 0
    assert len({(sample.memfds, sample.tasks) for sample in samples}) == 1


def test_every_third_guest_of_a_real_soak_is_a_kernel_where_there_is_one() -> None:
    chance = random.Random(0)
    kinds = [type(real(Path("linux")).make(number, chance)) for number in range(1, 7)]
    assert kinds == [ProcessGuest, ProcessGuest, UmlGuest] * 2
    assert {type(real(None).make(number, chance)) for number in range(1, 7)} == {ProcessGuest}


async def test_a_guest_that_stays_and_shows_nothing_is_a_failure() -> None:
    dark = SHORT._replace(stays=lambda: SimulatedGuest("plasma", frames=1, memory=4 << 20))
    with pytest.raises(WaitFailed, match="stays"):
        await live(dark, SECONDS)


# What the samples say.


def sampled(descriptors: list[int]) -> list[Sample]:
    return [
        Sample(60.0 * number, number, 1 << 27, 1 << 26, count, 1, 500, 1, 1, 10_000, 16.7)
        for number, count in enumerate(descriptors, 1)
    ]


def trend_of(descriptors: list[int]) -> Trend:
    return next(trend for trend in trends(sampled(descriptors)) if trend.name == "descriptors")


def test_the_slope_is_that_of_most_samples() -> None:
    assert trend_of([10] * 40).growth == 0
    assert trend_of([10] * 38 + [99, 99]).flat, "two that are out of line"
    assert trend_of([30, 20, 15, 12] + [10] * 30).flat, "a warm-up"
    assert trend_of(list(range(40, 0, -1))).flat, "less is no leak"
    creeping = trend_of([10 + number // 10 for number in range(40)])
    assert not creeping.flat
    assert (creeping.first, creeping.last) == (11, 13)


def test_a_quantity_that_grows_is_named_and_so_is_a_line_that_was_reported() -> None:
    grown = trends(sampled(list(range(40))))
    check(trends(sampled([10] * 40)), [])
    with pytest.raises(RunFailed, match=r"^soak: descriptors grew by 29, from \d"):
        check(grown, [])
    with pytest.raises(RunFailed, match=r"^soak: 2 lines were reported, the first: oh$"):
        check(trends(sampled([10] * 40)), ["oh", "no"])


def test_the_picture_is_red_where_something_grows(tmp_path: Path) -> None:
    for name, descriptors, grows in (("flat", [10] * 40, False), ("grown", list(range(40)), True)):
        samples = sampled(descriptors)
        plot(tmp_path / name, "title", samples, trends(samples))
        with Image.open(tmp_path / name) as image:
            pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
        assert bool((pixels == (200, 30, 30)).all(axis=1).any()) is grows
        assert (pixels == (0, 102, 170)).all(axis=1).any()


def test_the_command_prints_a_table_writes_the_samples_and_draws_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    async def short(*_: object, **__: object) -> tuple[list[Sample], list[str]]:
        return sampled(list(range(40))), []

    monkeypatch.setattr(study, "live", short)
    picture, stats = tmp_path / "s.png", tmp_path / "s.json"
    with pytest.raises(RunFailed, match="descriptors grew"):
        run_scene("soak", RunOptions(seconds=2400, screenshot=picture, stats=stats))
    printed = capsys.readouterr().out
    assert (printed.count("GROWS"), printed.count("flat")) == (1, 8)
    assert picture.read_bytes().startswith(b"\x89PNG")
    written = json.loads(stats.read_text())
    assert len(written["results"]) == 40
    assert [trend["name"] for trend in written["trends"] if trend["growth"] > trend["tolerance"]] == [
        "descriptors"
    ]


@pytest.mark.parametrize(
    ("run", "kernel", "message"),
    [
        (RunOptions(seconds=60), None, "--seconds 60: a slope needs 8 samples, one in 300 s: 2400 or more"),
        (RunOptions(seconds=60, clock="real"), None, "8 samples, one in 20 s: 160 or more"),
        (RunOptions(), Path("linux"), "--kernel linux: soak boots it with --clock real only"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_runs(
    run: RunOptions, kernel: Path | None, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        run_scene("soak", run, kernel)
