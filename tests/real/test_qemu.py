"""A stock QEMU with Debian's kernel, by `scanout boot` and started separately against `scanout serve`."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compositor import Machine
from compositor.compare import load_png
from guest import QemuGuest
from guest.linux import QemuProcess, expected
from tests.real.conftest import COMMAND, GIVE_UP

pytestmark = pytest.mark.real
Run = Callable[..., Any]
MODETEST = Path("/usr/bin/modetest")
PATTERN = expected.pattern(1024, 768)[..., 2::-1]


def test_the_pattern_is_exact(scanout: Run) -> None:
    done = scanout("boot", "qemu", "--program", "pattern")
    assert done.status == 0, done.err
    assert np.array_equal(done.picture, PATTERN)
    (guest,) = done.stats["guests"]
    assert guest["errors"] == {}
    # The one copy of the 2D path, and nothing but it.
    assert guest["bytes"]["transfer"] > 0
    assert guest["bytes"]["compose"] == guest["bytes"]["upload"] == 0


@pytest.mark.skipif(not MODETEST.exists(), reason="needs modetest (Debian: libdrm-tests)")
async def test_the_pattern_is_what_modetest_shows() -> None:
    # 34 is the first connector of Debian 12's kernel; modetest holds its picture until its input ends.
    command = (str(MODETEST), "-M", "virtio_gpu", "-s", "34:1024x768")
    async with asyncio.timeout(GIVE_UP), Machine(clock="real", repaint="flush") as machine:
        await machine.attach(QemuGuest(command=command, host_programs=(MODETEST,)))
        while not np.array_equal((await machine.next_frame()).snapshot()[..., :3], PATTERN):
            pass


@asynccontextmanager
async def serving(socket: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`scanout serve`, ready; interrupted at the end, as by Ctrl-C."""
    process = await asyncio.create_subprocess_exec(
        COMMAND, "serve", socket.name, "--stats", "stats.json", "--screenshot", "shot.png",
        cwd=socket.parent, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert (await process.stdout.readline()).startswith(b"serving virtio-gpu on")
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        await process.communicate()


async def until_it_says(process: QemuProcess, said: asyncio.Queue[str], text: str) -> None:
    """Until the guest has printed `text`."""
    while text not in process.console.text:
        await said.get()


async def test_serve_lives_on_while_qemu_is_killed_and_restarted(tmp_path: Path) -> None:
    socket = tmp_path / "gpu.sock"
    async with asyncio.timeout(3 * GIVE_UP), serving(socket) as server:
        for attempt in range(3):
            workdir = tmp_path / f"guest-{attempt}"
            workdir.mkdir()
            said: asyncio.Queue[str] = asyncio.Queue()
            process = await QemuGuest("pattern").launch(socket, workdir, said.put_nowait)
            try:
                await until_it_says(process, said, "pattern: 1024x768 is up")
                os.kill(process.pid, signal.SIGKILL)
            finally:
                await process.stop()
            assert server.returncode is None
    assert server.returncode == 130
    stats = json.loads((tmp_path / "stats.json").read_text())
    assert [guest["kind"] for guest in stats["guests"]] == ["vhost-user"]
    # Each of the three drivers came up from nothing.
    assert stats["guests"][0]["commands"]["GET_DISPLAY_INFO"] >= 3
    assert stats["guests"][0]["errors"] == {}
    assert np.array_equal(load_png(tmp_path / "shot.png")[..., :3], PATTERN)
    assert not socket.exists()


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        ([], 2, "nothing to run"),
        (["--program", "pattern", "--kernel", "/nowhere"], 2, "/nowhere: no such kernel image"),
        (["--program", "pattern", "--", "-nosuch"], 1, "-nosuch: invalid option"),
        (["--program", "pattern", "--memory", "8"], 2, "--memory 8"),
    ],
)
def test_what_cannot_work_is_one_line_on_standard_error(
    scanout: Run, arguments: list[str], status: int, line: str
) -> None:
    done = scanout("boot", "qemu", *arguments, results=False)
    assert line in done.err
    assert done.err.count("\n") == 1
    assert done.err.startswith("scanout: ")
    assert done.status == status
