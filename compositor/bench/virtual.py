"""A real kernel on the virtual clock: milliseconds that a frame takes, beside the time that it is shown for.

A User Mode Linux guest flips two buffers of 1024x768 at 60 Hz, and every frame's pixels go into the digest.
What counts is a frame more: the stretch of a run from its fifth to its thirtieth second, without the boot.
Of a frame's time the checksum is measured by itself, beside XXH3 of the same bytes: what it would take if no
byte had to be looked at but for its sum. Frames have the unused byte 0xff, or anything ("undefined").
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import numpy as np
import xxhash

from compositor.bench.report import Measure, Report, Row, interleave
from compositor.machine import Machine
from compositor.observe.digest import Digest
from compositor.pixels.format import PixelFormat
from guest.process import ProcessGuest
from guest.real import LinuxGuest, UmlGuest

_WIDTH, _HEIGHT, _HZ = 1024, 768, 60
_BEGIN_S, _END_S = 5.0, 30.0
_RUNS = 5
_GOAL = 15.0  # times as fast as real time
_CHECKSUMS = 50  # a measurement; of two frames in turn, as a guest that flips has them


def run() -> Report:
    """The frame, then its checksum."""
    UmlGuest("pageflip").prepare()
    size = f"{_WIDTH}x{_HEIGHT}"
    frame = interleave(
        f"pageflip-{size}",
        "ms/frame",
        lambda: asyncio.run(milliseconds_a_frame(UmlGuest("pageflip"), _BEGIN_S, _END_S)),
        {"real time": lambda: 1e3 / _HZ},
        runs=_RUNS,
        goal=_GOAL,
    )
    checksums = [_checksum(f"checksum-{size}", 0xFF), _checksum(f"checksum-{size}-undefined", 0)]
    return Report("virtual", [frame, *checksums], {"numpy": np.__version__, "xxhash": xxhash.VERSION})


async def milliseconds_a_frame(guest: LinuxGuest | ProcessGuest, begin_s: float, end_s: float) -> float:
    """What a presented frame between two moments of virtual time takes."""
    output = f"{_WIDTH}x{_HEIGHT}@{_HZ}"
    async with Machine(outputs=[output], clock="virtual", repaint="flush") as machine:
        await machine.attach(guest)
        await machine.run(seconds=begin_s)
        before, start = machine.presented, time.perf_counter()
        await machine.run(seconds=end_s - begin_s)
        return (time.perf_counter() - start) * 1e3 / (machine.presented - before)


def _checksum(case: str, unused: int) -> Row:
    frames = np.random.default_rng(0).integers(0, 256, (2, _HEIGHT, _WIDTH, 4), np.uint8)
    frames[..., 3] = unused
    digest = Digest()

    def each(checksum: Callable[[int], object]) -> Measure:
        def measure() -> float:
            start = time.perf_counter()
            for number in range(_CHECKSUMS):
                checksum(number % 2)
            return (time.perf_counter() - start) * 1e3 / _CHECKSUMS

        return measure

    ours = each(lambda n: digest.checksum(frames[n], PixelFormat.XRGB8888))
    bound = each(lambda n: xxhash.xxh3_64_intdigest(frames[n]))
    return interleave(case, "ms", ours, {"XXH3": bound}, runs=3 * _RUNS)
