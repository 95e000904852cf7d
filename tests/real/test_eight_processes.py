"""Guests in processes of their own, killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from compositor import Machine
from compositor.commands.options import RunOptions
from compositor.commands.studies.eight_processes import soak
from guest import ProcessGuest

pytestmark = pytest.mark.real


async def test_guests_are_killed_and_come_back_and_nothing_is_left() -> None:
    assert await soak(2.0, RunOptions(), guests=4, output="320x240@60") == []


@pytest.mark.parametrize("moment", range(8))
async def test_a_guest_killed_at_any_moment_leaves_the_host_well(moment: int, tmp_path: Path) -> None:
    """Moments from before its first message to the middle of its frames, by what the host has seen."""
    lines: list[str] = []
    async with Machine(outputs=["320x240@60"], clock="real", repaint="flush", report=lines.append) as machine:
        attachment = machine.serve(tmp_path / "gpu")
        guest = ProcessGuest("plasma")
        first = await guest.launch(tmp_path / "gpu", tmp_path, lambda _text: None)
        while sum(attachment.statistics().commands.values()) < moment:
            await machine.run(seconds=0.001)
        os.kill(first.pid, signal.SIGKILL)
        await first.stop()
        async with await guest.launch(tmp_path / "gpu", tmp_path, lambda _text: None):
            await machine.run(frames=5)
        stats = machine.stats()
    assert stats["guests"][0]["frames"]["torn"] == 0
    assert stats["guests"][0]["errors"] == {}
    assert all("connection lost" in line for line in lines)


def test_the_command_connects_to_scanout_serve_and_goes_on_after_it(tmp_path: Path) -> None:
    scanout = Path(sys.executable).with_name("scanout")
    socket = tmp_path / "gpu"
    with subprocess.Popen(
        [scanout, "serve", socket, "--outputs", "320x240@60", "--screenshot", tmp_path / "shot.png"],
        stdout=subprocess.PIPE, text=True,
    ) as host:  # fmt: skip
        assert host.stdout is not None
        assert "serving virtio-gpu" in host.stdout.readline()
        for _ in range(2):
            done = subprocess.run(
                [scanout, "guest", "--connect", socket, "plasma", "--frames", "10"],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout == "plasma: 10 frames flipped, every fence came back\n"
        host.send_signal(signal.SIGINT)
        assert "20 of 20 frames presented" in host.stdout.read()
    assert host.returncode == 130
    assert (tmp_path / "shot.png").exists()
    gone = subprocess.run(
        [scanout, "guest", "--connect", socket, "plasma"], capture_output=True, text=True, check=False
    )
    assert gone.returncode == 2
    assert gone.stderr.startswith(f"scanout: cannot connect to {socket}")
