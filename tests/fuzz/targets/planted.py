"""No target, but two faults for the tests of the runner: it has to find them."""

from __future__ import annotations

import os
from collections.abc import Iterator

from tests.fuzz.target import Target


def run(data: bytes) -> None:
    """Raise for one input, and leave a descriptor for another."""
    if data[:2] == b"FU":
        raise ValueError("planted")
    if data[:2] == b"LE":
        os.eventfd(0)


def seeds() -> Iterator[bytes]:
    """Nothing that comes near."""
    yield b"seed"


TARGET = Target(run, seeds, longest=8, words=(b"FUZZ",))
