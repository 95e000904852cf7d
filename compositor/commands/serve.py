"""`scanout serve`: the device for a VMM that somebody else starts."""

from __future__ import annotations

from pathlib import Path

from compositor.commands.options import RunOptions
from compositor.commands.session import run_session
from compositor.machine import Machine


def serve(socket: Path, *, once: bool, run: RunOptions) -> None:
    """Serve one VMM after the other on `socket`; with `once`, the first alone."""

    async def start(machine: Machine) -> None:
        machine.serve(socket, once=once)
        print(f"serving virtio-gpu on {socket}; stop with Ctrl-C", flush=True)

    run_session(run, start, clock="real", repaint="flush")
