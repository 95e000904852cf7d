"""Real guests are run as a user would: by the command, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor.compare import load_png

COMMAND = Path(sys.executable).with_name("scanout")
# A guest that hangs must not hang the tests; nothing below depends on how long it takes.
GIVE_UP = 300


@dataclass
class Outcome:
    """A finished run."""

    status: int
    out: str
    err: str
    directory: Path

    @property
    def stats(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.directory / "stats.json").read_text())
        return loaded

    @property
    def picture(self) -> NDArray[np.uint8]:
        """(height, width, 3) uint8, red, green, blue."""
        return load_png(self.directory / "shot.png")[..., :3]


RunScanout = Callable[..., Outcome]


@pytest.fixture
def scanout(tmp_path: Path) -> Iterator[RunScanout]:
    """Runs the command, and checks that nothing of it is left behind."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()

    def run(*arguments: str | Path, results: bool = True) -> Outcome:
        wanted = ("--screenshot", "shot.png", "--stats", "stats.json") if results else ()
        words = [str(word) for word in arguments]
        at = words.index("--") if "--" in words else len(words)
        done = subprocess.run(
            [COMMAND, *words[:at], *wanted, *words[at:]],
            cwd=tmp_path,
            env={**os.environ, "TMPDIR": str(temporary)},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=GIVE_UP,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr, tmp_path)

    yield run
    assert list(temporary.iterdir()) == []
    assert traces(tmp_path) == []


@pytest.fixture
def busy() -> Callable[[int], AbstractContextManager[None]]:
    """Loads the machine for a while, with so many programs that do nothing, as fast as they can."""

    @contextmanager
    def loaded(count: int) -> Iterator[None]:
        loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
        try:
            yield
        finally:
            for loop in loops:
                loop.kill()
                loop.wait()

    return loaded


def traces(directory: Path) -> list[str]:
    """Sockets below a run's directory, and processes that work there: guests' and whatever they started."""
    sockets = [line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines()]
    found = [path for path in sockets if path.startswith(str(directory))]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            works_in = (process / "cwd").readlink()
        except OSError:  # it has just ended, or is the kernel's
            continue
        if works_in.is_relative_to(directory):
            found.append(f"process {process.name}: {(process / 'cmdline').read_bytes()!r}")
    return found
