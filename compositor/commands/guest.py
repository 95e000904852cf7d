"""`scanout guest`: a simulated guest in this process, for a host in another one."""

from __future__ import annotations

from pathlib import Path

from compositor.commands.options import Interrupted, find_modules_here
from compositor.errors import BadInput
from guest.process.run import run_guest
from guest.process.task import GuestTask


def guest(
    workload: str,
    connect: Path,
    *,
    time_travel: Path | None,
    size: str | None,
    sync: str,
    seed: int,
    frames: int | None,
    paced: bool,
    patience: float,
) -> None:
    """Show a workload on the host that listens at `connect`.

    Raises:
        BadInput: An option that makes no sense.
        ScanoutError: There is no host, or it has gone; the message says which.
        Interrupted: A signal ended the guest.
    """
    for option, value in (("--frames", frames), ("--patience", patience)):
        if value is not None and value <= 0:
            raise BadInput(f"{option} {value:g}: must be above 0")
    find_modules_here()
    task = GuestTask(
        socket=str(connect),
        time=None if time_travel is None else str(time_travel),
        workload=workload,
        seed=seed,
        size=None if size is None else _size(size),
        sync=sync,
        frames=frames,
        paced=paced,
        patience_s=patience,
    )
    done = run_guest(task)
    print(f"{done.name}: {done.frames_submitted} frames flipped, every fence came back")
    if frames is None or done.frames_submitted < frames:
        raise Interrupted


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise BadInput(f"--size {text}: give it as 1280x720")
    return int(width), int(height)
