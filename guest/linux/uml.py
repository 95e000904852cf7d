"""UML guests: a Linux kernel that is an ordinary process, wired to the device by a socket.

The kernel's command line is part of its random pool, so nothing that differs between runs may be on it:
the kernel runs in the run's own directory and reaches everything there by relative names.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Self

from guest.linux.agent import AgentLine
from guest.linux.kernel import check_kernel, check_repeatable
from guest.linux.options import UmlOptions, VirtualTime
from guest.linux.payload import INIT, INITRD, SOCKET, TIME_SOCKET, build_initrd
from guest.linux.process import GuestProcess
from virtio.errors import Misuse

_LINE = "/dev/ttyS0"
VIRTIO_ID_GPU = 16  # virtio 1.3, 5: device ids


class UmlProcess(GuestProcess):
    """A running UML guest."""

    # A UML kernel that is asked politely while it is busy complains without end instead of ending. It has
    # nothing to save: its files lie in a directory that goes with it.
    stop_signal = signal.SIGKILL

    @classmethod
    async def start(
        cls,
        options: UmlOptions,
        socket: Path | None,
        workdir: Path,
        *,
        name: str = "the UML guest",
        echo: Callable[[str], None] | None = None,
        time: VirtualTime | None = None,
        line: AgentLine | None = None,
    ) -> Self:
        """Start a guest.

        Args:
            options: What to run.
            socket: Where a vhost-user virtio-gpu device listens already; None: a guest without one.
            workdir: The run's own directory, empty, which the caller removes afterwards. All that the
                kernel leaves lies there, except its memory: an unlinked file.
            name: What to call it in messages.
            echo: Called with the console's text as it arrives.
            time: Whose time it takes; None: the real one.
            line: To the agent of a session.

        Raises:
            KernelUnusable: The kernel is not one.
            Misuse: Nothing to run, a root that is no directory, or too little room for the memory.
            ToolMissing: A program that this needs is not installed.
        """
        environment = {"TMPDIR": str(_memory_dir(options.memory << 20))}
        command = _lay_out(options, socket, workdir, time)
        stdin = None if line is None else line.guest_end
        return await cls.launch(
            command, name=name, directory=workdir, environment=environment, echo=echo, stdin=stdin
        )


def _lay_out(options: UmlOptions, socket: Path | None, workdir: Path, time: VirtualTime | None) -> list[str]:
    """Put into the run's directory what the kernel reaches by relative names; return its command."""
    if options.root is not None and not options.root.is_dir():
        raise Misuse(f"{options.root}: the guest's root is not a directory")
    arguments = kernel_command_line(options, gpu=socket is not None, time=time)
    command = [str(check_kernel(options.kernel)), *arguments]
    if time is not None:
        check_repeatable(options.kernel)
        (workdir / TIME_SOCKET).symlink_to(time.socket.absolute())
    if socket is not None:
        (workdir / SOCKET).symlink_to(socket.absolute())
    if has_initrd(options):
        initrd = build_initrd(
            options, os.uname().machine, root=options.root, writable=options.writable, line=_LINE
        )
        (workdir / INITRD).write_bytes(initrd)
    return command


def kernel_command_line(options: UmlOptions, *, gpu: bool, time: VirtualTime | None = None) -> list[str]:
    """The kernel's arguments: the same for the same options, wherever the run's directory is.

    Args:
        options: What to run.
        gpu: Whether a virtio-gpu device listens on the socket in the run's directory.
        time: Whose time it takes; where the calendar listens is not said here, but the rest is.

    Raises:
        Misuse: There is nothing to run.
    """
    arguments = [
        f"mem={options.memory}M",
        # The console is our pipe. The line to the agent is a socket, and takes its input.
        *(("con0=null,fd:1", "ssl0=fd:0,fd:0") if options.session else ("con0=fd:0,fd:1",)),
        "con1=null",
        "con=null",
        "ssl=null",
        "loglevel=4",
        # 3 times faster than ptrace, where the host has it. On virtual time it must not depend on the host.
        "seccomp=on" if time else "seccomp=auto",
        "uml_dir=.",  # its pid file and control socket; else they would lie in ~/.uml
        "umid=uml",
    ]
    if gpu:
        arguments.append(f"virtio_uml.device={SOCKET}:{VIRTIO_ID_GPU}")
    if time is not None:
        arguments += [
            f"time-travel=ext:{TIME_SOCKET}",
            f"tt_syscall_ns={time.syscall_ns}",
            f"um_seed={time.seed:#x}",
            "norandmaps",
        ]
    if has_initrd(options):
        arguments.append(f"initrd={INITRD}")
        if options.needs_init:
            arguments.append(f"rdinit={INIT}")
    elif options.root is not None:
        access = "rw" if options.writable else "ro"
        arguments += ["root=/dev/root", "rootfstype=hostfs", f"rootflags={options.root.absolute()}", access]
    else:
        raise Misuse("nothing to run in the guest; give a program, a command, an initrd or a root")
    return [*arguments, *options.kernel_arguments]


def has_initrd(options: UmlOptions) -> bool:
    """Whether the guest starts from an initial RAM file system, or right in its root."""
    return options.needs_init or options.initrd is not None


def _memory_dir(size: int) -> Path:
    """Where the guest's memory can lie: UML maps an unlinked file there, also to execute from."""
    candidates = [Path("/dev/shm"), Path(tempfile.gettempdir())]
    rooms = []
    for path in candidates:
        if not path.is_dir() or os.statvfs(path).f_flag & os.ST_NOEXEC:
            continue
        free = shutil.disk_usage(path).free
        if free >= size:
            return path
        rooms.append(f"{path} has {free >> 20}")
    found = ", ".join(rooms) or "none of them may be executed from"
    raise Misuse(f"no room for the guest's {size >> 20} MiB of memory ({found}); give it less with --memory")
