"""`scanout boot`: a real guest, started and wired to the device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, Self

from compositor.commands.boot_options import BootOptions, QemuBootOptions, UmlBootOptions
from compositor.commands.options import RunOptions
from compositor.commands.session import run_session
from compositor.errors import BadInput
from compositor.machine import Machine
from compositor.output.mode import Mode
from guest.linux import shown_progress
from guest.real import LinuxGuest, QemuGuest, UmlGuest
from virtio.clock.calendar import NANOSECONDS


def boot_uml(run: RunOptions, boot: UmlBootOptions, command: Sequence[str]) -> None:
    """Boot a UML kernel.

    Raises:
        BadInput: There is nothing to run in it, or a hotplug makes no sense.
    """
    if not (boot.program or command or boot.initrd or boot.root):
        raise BadInput(
            "boot uml: nothing to run; give --program pageflip, --initrd F, --root DIR or -- COMMAND"
        )
    guest = UmlGuest(
        boot.program,
        command=command,
        kernel=boot.kernel,
        initrd=boot.initrd,
        root=boot.root,
        memory=boot.memory,
    )
    _boot(run, boot, guest)


def boot_qemu(run: RunOptions, boot: QemuBootOptions, qemu_arguments: Sequence[str]) -> None:
    """Boot QEMU.

    Raises:
        BadInput: There is nothing to run in it, or a hotplug makes no sense.
    """
    if not (boot.program or boot.initrd):
        raise BadInput("boot qemu: nothing to run; give --program pattern or --initrd F")
    guest = QemuGuest(
        boot.program,
        kernel=boot.kernel,
        initrd=boot.initrd,
        memory=boot.memory,
        architecture=boot.arch,
        qemu_arguments=qemu_arguments,
    )
    _boot(run, boot, guest)


class Hotplug(NamedTuple):
    """What happens to the first output's monitor, and when.

    Attributes:
        when_s: Seconds on the run's clock.
        mode: Of the monitor that takes its place; None: it is unplugged.
    """

    when_s: float
    mode: str | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """What `--hotplug` says: "2.5:800x600@60", "3:off".

        Raises:
            BadInput: It has another form, or no such mode.
        """
        seconds, colon, mode = text.partition(":")
        try:
            when_s = float(seconds)
        except ValueError:
            when_s = math.nan
        if not colon or not math.isfinite(when_s) or when_s < 0:
            raise BadInput(f"--hotplug {text}: not of the form S:MODE, as in 2.5:800x600@60, or S:off")
        return cls(when_s, None if mode == "off" else str(Mode.parse(mode)))

    def happen(self, machine: Machine) -> None:
        """Swap the monitor, or take it away."""
        plugged = machine.outputs[0].plugged
        if self.mode is None:
            if plugged:
                machine.unplug(0)
        elif plugged:
            machine.set_mode(0, self.mode)
        else:
            machine.plug(0, self.mode)


def _boot(run: RunOptions, boot: BootOptions, guest: LinuxGuest) -> None:
    hotplugs = [Hotplug.parse(text) for text in boot.hotplug or ()]
    # Downloads and compilers would hold up the event loop, so they come first, with a progress bar.
    with shown_progress() as progress:
        guest.prepare(progress)

    async def start(machine: Machine) -> None:
        await machine.attach(guest)
        now_ns = machine.clock.now_ns()
        for hotplug in hotplugs:
            when_ns = now_ns + round(hotplug.when_s * NANOSECONDS)
            machine.clock.call_at(when_ns, partial(hotplug.happen, machine))

    run_session(run, start, clock="real", repaint="flush", console=boot.console, all_show=True)
