"""A picture of 1920x1080 checked against its golden file, and two pictures in memory compared.

Milliseconds a check, from an array and a file in the page cache to the verdict. Ours stores the hash of the
pixels in the file, so an equal picture is hashed and the file is not decoded; a different one is decoded, as
with the peers, and every differing pixel is found. Checks go round over several pictures, so that none lies
in the processor's caches.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import PIL
import xxhash

from compositor.bench.comparers import Peer, Picture, installed
from compositor.bench.report import Measure, Report, Row, interleave
from compositor.compare import compare, write_golden
from compositor.errors import RunFailed
from compositor.machine import Machine
from compositor.machine.run_directory import run_directory
from guest.simulated import SimulatedGuest

_MODE = "1920x1080@60"
_PICTURES = 5
_CHECKS = 20  # a measurement; times _RUNS, a hundred
_RUNS = 5
_BUDGET = 1.0  # seconds after which a measurement of a slow peer ends

Pictures = dict[str, Picture]


def run() -> Report:
    """Equal and different pictures, of files and in memory."""
    pictures = asyncio.run(_pictures())
    with run_directory() as directory:
        peers, versions, missing = installed(directory)
        ours = {"numpy": np.__version__, "pillow": PIL.__version__, "xxhash": xxhash.VERSION}
        report = Report("compare", versions={**ours, **versions}, missing=missing)
        for name, picture in pictures.items():
            write_golden(directory / f"{name}.png", picture)
            for peer in peers:
                peer.store(name, picture)
        report.rows = [
            _files("golden-equal", pictures, directory, peers, goal=5.0, equal=True),
            _files("golden-one-pixel", _changed(pictures), directory, peers, goal=1.0, equal=False),
            _arrays(pictures),
        ]
    return report


async def _pictures() -> Pictures:
    """Frames of a desktop with windows: flat areas, text, gradients."""
    found = {}
    async with Machine(outputs=[_MODE]) as machine:
        await machine.attach(SimulatedGuest("desktop"))
        for number in range(_PICTURES):
            await machine.run(frames=1)
            found[str(number)] = machine.screenshot()
    return found


def _changed(pictures: Pictures) -> Pictures:
    """The same, each with one pixel that differs."""
    changed = {name: picture.copy() for name, picture in pictures.items()}
    for picture in changed.values():
        picture[picture.shape[0] // 2, picture.shape[1] // 3, 0] ^= 0x80
    return changed


def _files(
    case: str, pictures: Pictures, directory: Path, peers: list[Peer], *, goal: float, equal: bool
) -> Row:
    """Each check against the golden file of the same name, with the verdict that is right."""

    def measured(who: str, check: Callable[[str, Picture], bool]) -> Measure:
        turns: Iterator[tuple[str, Picture]] = itertools.cycle(pictures.items())

        def once() -> None:
            if check(*next(turns)) is not equal:
                raise RunFailed(f"bench compare: {case}: {who} gave the wrong verdict")

        return lambda: _milliseconds(once)

    ours = measured("scanout", lambda name, picture: compare(directory / f"{name}.png", picture).equal)
    theirs = {peer.name: measured(peer.name, peer.check) for peer in peers}
    return interleave(f"{case}-1080p", "ms", ours, theirs, runs=_RUNS, fastest=True, goal=goal)


def _arrays(pictures: Pictures) -> Row:
    """Two equal pictures in memory."""
    pairs = itertools.cycle([(picture, picture.copy()) for picture in pictures.values()])
    return interleave(
        "arrays-equal-1080p",
        "ms",
        lambda: _milliseconds(lambda: compare(*next(pairs))),
        {"np.array_equal": lambda: _milliseconds(lambda: np.array_equal(*next(pairs)))},
        runs=_RUNS,
        goal=0.5,
    )


def _milliseconds(check: Callable[[], object]) -> float:
    """Of one check, the mean of many."""
    start = time.perf_counter()
    done, spent = 0, 0.0
    while done < _CHECKS and spent < _BUDGET:
        check()
        done, spent = done + 1, time.perf_counter() - start
    return spent * 1e3 / done
