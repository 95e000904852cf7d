"""The benchmark of the virtual clock measures frames, with a guest that costs little."""

from __future__ import annotations

import asyncio

from compositor.bench.virtual import _checksum, milliseconds_a_frame
from guest.process import ProcessGuest


def test_a_frame_takes_time() -> None:
    assert asyncio.run(milliseconds_a_frame(ProcessGuest("desktop"), 0.05, 0.2)) > 0


def test_the_checksum_stands_beside_its_bound() -> None:
    row = _checksum("case", 0)
    assert row.ours > 0
    assert row.against == "XXH3"
