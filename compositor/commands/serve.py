"""`scanout serve`: the device for a VMM that the user starts."""

from __future__ import annotations

from pathlib import Path

from compositor.commands.options import RunOptions
from compositor.commands.session import run_session
from compositor.machine import Machine


def serve(
    socket: Path, *, once: bool, time_travel: Path | None, any_memory_file: bool, run: RunOptions
) -> None:
    """Serve one VMM after the other on `socket`; with `once`, the first alone.

    With `time_travel` it is one UML kernel, whose time we keep there; with `any_memory_file` the memory of a
    guest may be any file (see `Machine.serve`).
    """

    async def start(machine: Machine) -> None:
        machine.serve(socket, once=once, time_travel=time_travel, any_file=any_memory_file)
        print(f"serving virtio-gpu on {socket}; stop with Ctrl-C", flush=True)
        if time_travel is not None:
            print(
                f"start the kernel with: virtio_uml.device={socket}:16 time-travel=ext:{time_travel} "
                "tt_syscall_ns=1000 um_seed=1 norandmaps seccomp=on",
                flush=True,
            )

    run_session(run, start, clock="real" if time_travel is None else "virtual", repaint="flush")
