"""`scanout serve`: the device for a VMM that the user starts."""

from __future__ import annotations

import pwd
from collections.abc import Sequence
from pathlib import Path

from compositor.commands.options import RunOptions
from compositor.commands.sandbox.policy import Sandbox
from compositor.commands.session import run_session
from compositor.errors import BadInput
from compositor.files import release_reserved
from compositor.machine import Machine
from compositor.machine.standard_error import report_line


def serve(
    socket: Path,
    *,
    once: bool,
    time_travel: Path | None,
    any_memory_file: bool,
    users: Sequence[str],
    sandboxed: bool,
    run: RunOptions,
) -> None:
    """Serve one VMM after the other on `socket`; with `once`, the first alone.

    With `time_travel` it is one UML kernel, whose time we keep there; with `any_memory_file` the memory of a
    guest may be any file (see `Machine.serve`); `users` may connect, too. `sandboxed`, this process gives its
    rights away (see `compositor.commands.sandbox`).

    Raises:
        BadInput: There is no such user, or an option makes no sense.
    """
    numbers = [user_number(user) for user in users]
    sandbox = _sandbox(run, [socket, *([time_travel] if time_travel else [])]) if sandboxed else None

    async def start(machine: Machine) -> None:
        machine.serve(socket, once=once, time_travel=time_travel, any_file=any_memory_file, users=numbers)
        if sandbox is not None:
            sandbox.after()
        print(f"serving virtio-gpu on {socket}; stop with Ctrl-C", flush=True)
        if time_travel is not None:
            print(
                f"start the kernel with: virtio_uml.device={socket}:16 time-travel=ext:{time_travel} "
                "tt_syscall_ns=1000 um_seed=1 norandmaps seccomp=on",
                flush=True,
            )

    try:
        if sandbox is not None:
            sandbox.before()
        run_session(run, start, clock="real" if time_travel is None else "virtual", repaint="flush")
    finally:
        release_reserved()


def _sandbox(run: RunOptions, sockets: Sequence[Path]) -> Sandbox:
    return Sandbox(
        sockets=sockets,
        results=[path for path in (run.screenshot, run.stats) if path is not None],
        streams=[] if run.record is None else [run.record],
        window=bool(run.window),
        report=report_line,
    )


def user_number(user: str) -> int:
    """The number of a user, given by number or by name.

    Raises:
        BadInput: There is no such user.
    """
    if user.isascii() and user.isdecimal() and len(user) <= 10:
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except (KeyError, ValueError):
        raise BadInput(f"--allow-user {user}: there is no such user; give a name or a number") from None
