"""`scanout boot`: a real guest, started and wired to the device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from compositor.commands.options import RunOptions
from compositor.commands.session import run_session
from compositor.errors import BadInput
from compositor.machine import Machine
from guest.linux import shown_progress
from guest.real import LinuxGuest, QemuGuest, UmlGuest


def boot_uml(
    run: RunOptions,
    *,
    kernel: Path | None,
    initrd: Path | None,
    root: Path | None,
    program: str | None,
    command: Sequence[str],
    memory: int,
    console: bool,
) -> None:
    """Boot a UML kernel.

    Raises:
        BadInput: There is nothing to run in it.
    """
    if not (program or command or initrd or root):
        raise BadInput(
            "boot uml: nothing to run; give --program pageflip, --initrd F, --root DIR or -- COMMAND"
        )
    check_memory(memory)
    guest = UmlGuest(program, command=command, kernel=kernel, initrd=initrd, root=root, memory=memory)
    _boot(run, guest, console)


def boot_qemu(
    run: RunOptions,
    *,
    kernel: Path | None,
    initrd: Path | None,
    program: str | None,
    arch: str,
    qemu_args: Sequence[str],
    memory: int,
    console: bool,
) -> None:
    """Boot QEMU.

    Raises:
        BadInput: There is nothing to run in it.
    """
    if not (program or initrd):
        raise BadInput("boot qemu: nothing to run; give --program pattern or --initrd F")
    check_memory(memory)
    guest = QemuGuest(
        program,
        kernel=kernel,
        initrd=initrd,
        memory=memory,
        architecture=arch,
        qemu_arguments=qemu_args,
    )
    _boot(run, guest, console)


def _boot(run: RunOptions, guest: LinuxGuest, console: bool) -> None:
    # Downloads and compilers would hold up the event loop, so they come first, with a progress bar.
    with shown_progress() as progress:
        guest.prepare(progress)

    async def start(machine: Machine) -> None:
        await machine.attach(guest)

    run_session(run, start, clock="real", repaint="flush", console=console)


def check_memory(memory: int) -> None:
    """Refuse a size that no kernel boots with.

    Raises:
        BadInput: Below 64 MiB.
    """
    if memory < 64:
        raise BadInput(f"--memory {memory}: a Linux guest needs at least 64 (MiB)")
