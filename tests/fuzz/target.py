"""What is fuzzed: a target takes bytes, does with them what a peer could, and asserts the project's promises.

A finding is whatever a target raises, and beside that, here: a descriptor that stays open, or work without a
bound. Work is counted in calls of Python functions, so that a finding is one on every machine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FrameType

CORPUS = Path(__file__).parent / "corpus"
"""Inputs that once were findings, in a folder for each target."""

# Each target's module in `targets`, and the modules whose branches it is to reach.
COVERS = {
    "messages": ("virtio.vhost_user.messages",),
    "dialogue": (
        "virtio.vhost_user.backend",
        "virtio.vhost_user.rings",
        "virtio.vhost_user.vring",
        "virtio.vhost_user.payloads",
        "virtio.vhost_user.memory_table",
        "virtio.vhost_user.negotiation",
    ),
    "ring": ("virtio.ring",),
    "gpu": (
        "virtio.gpu.backing",
        "virtio.gpu.blob_image",
        "virtio.gpu.commands",
        "virtio.gpu.cursor",
        "virtio.gpu.device",
        "virtio.gpu.layout",
        "virtio.gpu.parking",
        "virtio.gpu.resource",
        "virtio.gpu.scanout",
        "virtio.gpu.session",
    ),
    "recording": (
        "compositor.record.container",
        "compositor.record.documents",
        "compositor.record.recording",
        "compositor.record.records",
        "compositor.machine.replay",
    ),
    "scene": ("compositor.scene_file",),
    "png": ("compositor.compare.png",),
    "time_travel": ("virtio.clock.time_travel", "virtio.clock.participant", "virtio.clock.shared_time"),
}


class TooMuchWork(AssertionError):
    """One input costs more than a bound that grows with its length alone."""


class LeftBehind(AssertionError):
    """An input's descriptors are still open when it is over."""


@dataclass(frozen=True)
class Target:
    """One way in.

    Attributes:
        run: Plays an input; raises if a promise is broken.
        seeds: Makes inputs out of what honest peers send.
        longest: Bytes of an input at most.
        work: Calls that any input may cost.
        work_per_byte: Calls more for each of its bytes.
        words: What inputs of this kind are made of.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    longest: int = 1024
    work: int = 20_000
    work_per_byte: int = 100
    words: tuple[bytes, ...] = ()

    def check(self, data: bytes) -> None:
        """Play an input that must leave no descriptor.

        Raises:
            LeftBehind: It does.
        """
        before = held_descriptors()
        self.run(data)
        left = held_descriptors() - before
        if left:
            raise LeftBehind(f"{left} descriptors more are open than before")

    def measure(self, data: bytes) -> int:
        """Play an input; the calls that it cost.

        Raises:
            TooMuchWork: More than its length allows.
            LeftBehind: As `check`.
        """
        calls = 0

        def count(_frame: FrameType, event: str, _what: object) -> None:
            nonlocal calls
            calls += event == "call"

        sys.setprofile(count)
        try:
            self.check(data)
        finally:
            sys.setprofile(None)
        if calls > self.work + self.work_per_byte * len(data):
            raise TooMuchWork(f"{calls} calls for {len(data)} bytes")
        return calls


def check_refusal(refusal: Exception, begins: str = "") -> None:
    """A file is refused in one line, which may have to begin with its name."""
    line = str(refusal)
    assert line.isprintable()
    assert line.startswith(begins)


def load(name: str) -> Target:
    """A target by its module's name; imports what it fuzzes."""
    target: Target = import_module(f"tests.fuzz.targets.{name}").TARGET
    return target


def kept(name: str) -> list[Path]:
    """A target's inputs that once were findings."""
    return sorted((CORPUS / name).glob("*"))


def held_descriptors() -> int:
    """Open descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208
