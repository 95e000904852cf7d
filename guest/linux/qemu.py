"""QEMU guests: a stock QEMU whose display device is ours (`vhost-user-gpu-pci`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

from guest.linux.agent import AgentLine
from guest.linux.errors import ToolMissing
from guest.linux.kernel import StockKernel, stock_kernel
from guest.linux.options import QemuOptions
from guest.linux.payload import INIT, INITRD, SOCKET, build_initrd
from guest.linux.process import GuestProcess
from guest.linux.tool import require, run_tool
from virtio.errors import Misuse

# QEMU before this one refuses vhost-user-gpu without KVM.
_FIRST_WITHOUT_KVM = (10, 0)


class _Machine(NamedTuple):
    """A machine of QEMU's, how to ask for its processor, and the first two serial lines in its kernel."""

    name: str
    processor: tuple[str, ...]
    lines: tuple[str, str]


_MACHINES = {
    "x86_64": _Machine("q35", (), ("ttyS0", "ttyS1")),
    # Every vector length up to this one; without a word "max" is slow to emulate: it offers 2048 bits.
    "aarch64": _Machine("virt", ("-cpu", "max,sve256=on"), ("ttyAMA0", "ttyAMA1")),
}

ARCHITECTURES = tuple(_MACHINES)
"""Those that QEMU guests can have, in the kernel's words."""
# The console is on standard output and input; or on the first alone, and the line to the agent on the other.
_CONSOLE = ("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console")
_CONSOLE_AND_LINE = (
    "-chardev", "file,id=console,path=/dev/stdout", "-serial", "chardev:console",
    "-chardev", "socket,id=agent,fd=0", "-serial", "chardev:agent",
)  # fmt: skip


class QemuProcess(GuestProcess):
    """A running QEMU guest."""

    @classmethod
    async def start(
        cls,
        options: QemuOptions,
        socket: Path | None,
        workdir: Path,
        *,
        name: str = "the QEMU guest",
        echo: Callable[[str], None] | None = None,
        line: AgentLine | None = None,
    ) -> Self:
        """Start a guest.

        Args:
            options: What to run.
            socket: Where a vhost-user virtio-gpu device listens already; None: no such device.
            workdir: The run's own directory, empty, which the caller removes afterwards.
            name: What to call it in messages.
            line: To the agent of a session.
            echo: Called with the console's text as it arrives.

        Raises:
            ToolMissing: QEMU, or something else that this needs, is not installed or too old.
            ToolFailed: Debian's kernel cannot be fetched.
            Misuse: Nothing to run, or a file that cannot be read.
        """
        command = _lay_out(options, socket, workdir)
        stdin = None if line is None else line.guest_end
        return await cls.launch(command, name=name, directory=workdir, echo=echo, stdin=stdin)


def _lay_out(options: QemuOptions, socket: Path | None, workdir: Path) -> list[str]:
    """Write the initial RAM file system into the run's directory; return QEMU's command."""
    if options.architecture not in _MACHINES:
        raise Misuse(f"architecture {options.architecture!r}; known are {', '.join(_MACHINES)}")
    if not options.needs_init and options.initrd is None:
        raise Misuse("nothing to run in the guest; give a program, a command or an initrd")
    qemu = find_qemu(options.architecture, options.accelerator)
    stock = stock_kernel(options.architecture) if options.kernel is None else StockKernel(options.kernel)
    if not stock.image.is_file():
        raise Misuse(f"{stock.image}: no such kernel image")
    line = f"/dev/{_MACHINES[options.architecture].lines[1]}"
    initrd = build_initrd(options, options.architecture, modules=stock.modules, line=line)
    (workdir / INITRD).write_bytes(initrd)
    if socket is not None:
        (workdir / SOCKET).symlink_to(socket.absolute())
    return [qemu, *command_line(options, stock.image.absolute(), gpu=socket is not None)]


def command_line(options: QemuOptions, kernel: Path, *, gpu: bool) -> list[str]:
    """QEMU's arguments. Guest memory is a shared memfd: that is how the device reaches it.

    Args:
        options: What to run.
        kernel: The image.
        gpu: Whether a virtio-gpu device listens on the socket in the run's directory.
    """
    machine = _MACHINES[options.architecture]
    kernel_arguments = [f"console={machine.lines[0]}", "loglevel=4", "panic=-1", *options.kernel_arguments]
    if options.needs_init:
        kernel_arguments.append(f"rdinit={INIT}")
    display = ["-chardev", f"socket,id=gpu,path={SOCKET}", "-device", "vhost-user-gpu-pci,chardev=gpu"]
    return [
        "-nodefaults", "-no-user-config", "-no-reboot",
        "-accel", options.accelerator,
        "-machine", f"{machine.name},memory-backend=memory", *machine.processor,
        "-m", f"{options.memory}M",
        "-object", f"memory-backend-memfd,id=memory,size={options.memory}M,share=on",
        "-vga", "none", "-display", "none",
        *(_CONSOLE_AND_LINE if options.session else _CONSOLE),
        "-kernel", str(kernel), "-initrd", INITRD, "-append", " ".join(kernel_arguments),
        *(display if gpu else []),
        *options.qemu_arguments,
    ]  # fmt: skip


def find_qemu(architecture: str, accelerator: str = "tcg") -> str:
    """The QEMU program for an architecture.

    Raises:
        ToolMissing: It is not installed, or is too old for vhost-user-gpu with this accelerator.
    """
    program = f"qemu-system-{architecture}"
    require(program)
    found = re.search(r"version (\d+)\.(\d+)", run_tool([program, "--version"], what=program))
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if accelerator != "kvm" and version < _FIRST_WITHOUT_KVM:
        package = "qemu-system-arm" if architecture == "aarch64" else "qemu-system-x86"
        raise ToolMissing(
            f"{program} {version[0]}.{version[1]} serves vhost-user-gpu with KVM only, 10.0 without; "
            f"on Debian 12: sudo apt-get install -t bookworm-backports {package}"
        )
    return program
