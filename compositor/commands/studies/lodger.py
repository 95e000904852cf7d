"""One guest of `scanout run eight-processes`: its process, killed and started again, and its frames."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

from compositor.adapter.display import Placement
from compositor.errors import RunFailed
from compositor.machine import Machine
from compositor.machine.attachment import Attachment
from compositor.output.frame import Frame
from guest.linux.errors import GuestDied
from guest.linux.process import GuestProcess
from guest.process import ProcessGuest
from guest.workloads import WORKLOADS
from guest.workloads.stamp import read_rows


class Lodger:
    """One guest on the machine: its socket, its process, and what became of it.

    Attributes:
        name: Of the guest.
        attachment: Its place on the machine.
        kills: How often it was killed.
        mixed: Frames of which two rows were of different frames, for the workload that says so in each.
    """

    def __init__(self, machine: Machine, index: int, directory: Path) -> None:
        workload = WORKLOADS[index % len(WORKLOADS)]
        self.name = f"{workload}-{index}"
        self.kills = self.mixed = 0
        self._guest = ProcessGuest(workload, seed=machine.seed + index, name=self.name)
        self._socket, self._workdir = directory / f"gpu{index}", directory
        self._output = machine.outputs[index]
        self._process: GuestProcess | None = None
        self._watch: asyncio.Task[int | None] | None = None
        self.attachment: Attachment = machine.serve(self._socket, places=[Placement(output=index)])
        if workload == "stress":
            machine.listen(index, self._look)

    @property
    def presented(self) -> int:
        """Frames of its output."""
        return self._output.commit_seq

    async def start(self) -> None:
        """Start its process."""
        self._process = await self._guest.launch(self._socket, self._workdir, lambda _text: None)
        self._watch = asyncio.create_task(self._process.wait())

    def check(self) -> None:
        """Find out whether it has ended by itself.

        Raises:
            RunFailed: It has: a fence was missed, or worse; the message has its own words.
        """
        if self._watch is not None and self._watch.done():
            error = self._watch.exception()
            raise RunFailed(str(error) if error is not None else f"{self.name} ended by itself")

    async def kill(self) -> None:
        """SIGKILL, and the end of the process."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self.kills += 1
        await self.stop()

    async def stop(self) -> None:
        """End its process."""
        process, self._process = self._process, None
        watch, self._watch = self._watch, None
        if process is not None and watch is not None:
            await process.stop()
            with suppress(GuestDied):
                await watch

    def _look(self, frame: Frame) -> None:
        self.mixed += len(set(read_rows(frame.pixels))) > 1
