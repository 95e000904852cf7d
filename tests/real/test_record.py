"""Runs of real kernels, recorded, and replayed without them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compositor.compare import load_png
from guest.linux import expected

pytestmark = pytest.mark.real
Run = Callable[..., Any]


def results(outcome: Any) -> tuple[str, Any, Any]:
    """Digest, picture, and what the guest's driver sent."""
    assert outcome.status == 0, outcome.err
    return outcome.stats["digest"], outcome.picture, outcome.stats["guests"][0]["commands"]


def same(scanout: Run, *arguments: str) -> tuple[str, Any, Any]:
    """Run and record, replay, compare; what the replay gave."""
    digest, picture, commands = results(scanout(*arguments, "--record", "f.rec"))
    again = results(scanout("replay", "f.rec"))
    assert again[0] == digest
    assert again[2] == commands
    assert np.array_equal(again[1], picture)
    return again


def test_a_uml_guest_flips_the_same_frames_without_its_kernel(scanout: Run) -> None:
    same(scanout, "boot", "uml", "--program", "pageflip", "--frames", "60")


def test_recording_a_uml_guest_on_the_virtual_clock_changes_nothing(scanout: Run) -> None:
    run = ("boot", "uml", "--program", "pageflip", "--clock", "virtual", "--seconds", "1")
    unrecorded = results(scanout(*run))[0]
    assert same(scanout, *run)[0] == unrecorded


def test_a_qemu_guest_shows_its_pattern_without_qemu(scanout: Run, tmp_path: Path) -> None:
    _, picture, _ = same(scanout, "boot", "qemu", "--program", "pattern")
    assert np.array_equal(picture, expected.pattern(1024, 768)[..., 2::-1])
    assert np.array_equal(load_png(tmp_path / "shot.png")[..., :3], picture)
