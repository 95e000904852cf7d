"""Page flips per second of a real QEMU guest: our device against QEMU's own back end, `vhost-user-gpu`.

The same QEMU (TCG), Debian's kernel, the same mode, no display. The guest's `pageflip` flips two buffers of
virtio-gpu itself as fast as it can: a transfer of the whole frame, a flush, and the wait for them, each. Ours
composes every frame into the output's framebuffer (direct scan-out is off) before it answers; the peer
copies it into a buffer and sends that to QEMU.
"""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import AsyncExitStack
from pathlib import Path

from compositor.bench.report import Report, interleave
from compositor.errors import ScanoutError
from compositor.machine import Machine
from compositor.machine.run_directory import run_directory
from compositor.output.output import Output
from guest.linux.errors import ToolMissing
from guest.linux.process import GuestProcess
from guest.linux.qemu import find_qemu
from guest.linux.tool import run_tool
from guest.real import QemuGuest

_MODE = "1280x800@75"  # the one that QEMU's back end offers
_SECONDS = 5
_RUNS = 5
_GOAL = 4.0
_REGISTRY = Path("/usr/share/qemu/vhost-user")  # docs/interop/vhost-user.json
_RESULT = re.compile(r"flips=(\d+) seconds=([\d.]+)")
_START_SECONDS = 120.0


class BenchFailed(ScanoutError):
    """A benchmark's guest did not do its work."""


def run() -> Report:
    """Flips per second, ours and the peer's in turn."""
    report = Report("real-guest", versions={"qemu": _version()})
    guest().prepare()
    peers = {}
    try:
        backend = find_backend()
    except ToolMissing as error:
        report.missing["vhost-user-gpu"] = str(error)
    else:
        peers["vhost-user-gpu"] = lambda: asyncio.run(measure_peer(backend))
    report.rows.append(
        interleave(
            f"pageflip-dumb-{_MODE.partition('@')[0]}",
            "flips/s",
            lambda: asyncio.run(measure_ours()),
            peers,
            runs=_RUNS,
            goal=_GOAL,
        )
    )
    return report


def guest() -> QemuGuest:
    """The guest, a fresh one for every run."""
    return QemuGuest("pageflip", command=("--fast", "--seconds", str(_SECONDS)))


async def measure_ours() -> float:
    """Flips per second against our device, in this process, every frame composed."""
    text: list[str] = []
    output = Output(_MODE, direct_scanout=False)
    async with Machine(
        outputs=[output], clock="real", repaint="flush", digest=False, echo=text.append
    ) as machine:
        await machine.attach(guest())
        async with asyncio.timeout(_START_SECONDS):
            await machine.run()
        composed, flips = output.commit_seq, _flips("".join(text))
        if composed < flips[0]:
            raise BenchFailed(f"real-guest: {flips[0]} flips, but only {composed} frames were composed")
    return flips[0] / flips[1]


async def measure_peer(backend: Path) -> float:
    """Flips per second against QEMU's own back end."""
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(run_directory())
        workdir = directory / "guest"
        workdir.mkdir()
        socket = directory / "gpu"
        server = await GuestProcess.launch(
            [backend, "-s", socket], name="vhost-user-gpu", directory=directory
        )
        stack.push_async_callback(server.stop)
        async with asyncio.timeout(_START_SECONDS):
            while not socket.exists():  # noqa: ASYNC110 - it has no other way to say that it listens
                await asyncio.sleep(0.01)
            process = await guest().launch(socket, workdir, lambda _text: None)
            stack.push_async_callback(process.stop)
            await process.wait()
        flips = _flips(process.console.text)
    return flips[0] / flips[1]


def _flips(console: str) -> tuple[int, float]:
    found = _RESULT.search(console)
    if found is None:
        last = console.strip().splitlines()[-1:] or ["nothing"]
        raise BenchFailed(f"real-guest: the guest printed no result, but: {last[0]}")
    return int(found[1]), float(found[2])


def find_backend() -> Path:
    """QEMU's own vhost-user GPU back end, as its distribution registers it.

    Raises:
        ToolMissing: It is not installed.
    """
    for path in sorted(_REGISTRY.glob("*.json")):
        entry = json.loads(path.read_text())
        if entry.get("type") == "gpu" and Path(entry["binary"]).is_file():
            return Path(entry["binary"])
    raise ToolMissing("vhost-user-gpu is not installed; on Debian: apt-get install qemu-system-gui")


def _version() -> str:
    text = run_tool([find_qemu("x86_64"), "--version"], what="qemu-system-x86_64 --version")
    return text.partition("version ")[2].split()[0]
