"""The initial RAM file system that carries a command into a guest.

Everything of ours lies in /scanout, so that it can be appended to a user's own archive: the kernel
unpacks one archive after the other. /scanout/init is PID 1; `programs/init.c` says which files it reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from guest.linux.compiler import PROGRAMS, compile_program
from guest.linux.initramfs import Initramfs
from guest.linux.kernel import Module
from guest.linux.options import GuestOptions
from virtio.errors import Misuse
from virtio.regular import open_regular

_OURS = "/scanout"
_OURS_IN_ROOT = "/run/scanout"  # `programs/init.c` makes it
INIT = f"{_OURS}/init"
# What lies in the directory of a run, where the machine finds it by these names.
INITRD = "initrd"
SOCKET = "gpu.sock"
TIME_SOCKET = "time.sock"


def build_initrd(
    options: GuestOptions,
    architecture: str,
    *,
    modules: Sequence[Module] = (),
    root: Path | None = None,
    writable: bool = False,
    line: str = "",
) -> bytes:
    """The archive for a guest's options.

    Args:
        options: Its command, host programs and own archive.
        architecture: The guest's, in the kernel's words.
        modules: Modules to load, in this order.
        root: The host's directory in which the command runs (UML only).
        writable: Whether the guest may write there.
        line: The guest's device that is the line to the agent of a session.

    Raises:
        Misuse: An argument cannot be carried, or the own archive cannot be read.
        ToolMissing: The programs cannot be compiled here.
    """
    initramfs = Initramfs()
    for name in ours(options):
        initramfs.add_program(compile_program(name, architecture), f"{_OURS}/{name}")
    command = ["agent", line] if options.session else list(options.command)
    if command:
        if command[0] in (*PROGRAMS, "agent"):
            command[0] = f"{_OURS if root is None else _OURS_IN_ROOT}/{command[0]}"
        initramfs.add_file("/scanout/command", b"".join(_encode(argument) + b"\0" for argument in command))
    for program in options.host_programs:
        initramfs.add_program_with_libraries(program)
    _add_modules(initramfs, modules)
    if root is not None:
        initramfs.add_file("/scanout/root", (b"rw " if writable else b"ro ") + _encode(str(root.absolute())))
    return _own_archive(options.initrd) + initramfs.build()


def ours(options: GuestOptions) -> list[str]:
    """The programs of ours that a guest with these options carries; a session may run any that ships."""
    if options.session:
        return ["init", "agent", *PROGRAMS]
    if options.command:
        return ["init", *(name for name in PROGRAMS if name == options.command[0])]
    return []


def _add_modules(initramfs: Initramfs, modules: Sequence[Module]) -> None:
    lines = ""
    for module in modules:
        path = f"/scanout/modules.d/{module.path.name}"
        initramfs.add_file(path, module.path.read_bytes())
        lines += f"{path} {module.parameters}\n"
    initramfs.add_file("/scanout/modules", lines.encode())


def _encode(argument: str) -> bytes:
    if "\0" in argument:
        raise Misuse(f"{argument!r}: a zero byte cannot be part of an argument")
    return argument.encode(errors="surrogateescape")


def _own_archive(path: Path | None) -> bytes:
    """Padded to where the kernel expects the next archive."""
    if path is None:
        return b""
    try:
        with open_regular(path) as file:
            data = file.read()
    except OSError as error:
        raise Misuse(f"initial RAM file system {path}: {error.strerror}") from None
    return data + bytes(-len(data) % 4)
