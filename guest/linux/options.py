"""What to run in a real guest, and in which machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestOptions:
    """What UML and QEMU guests have in common.

    Attributes:
        command: Program and arguments. The program is the name of one that ships (see
            `compiler.PROGRAMS`), else a path in the guest. When it ends, the guest switches itself off.
            Empty: the init of `initrd` or of the root runs.
        host_programs: Dynamic programs of this machine to put into the guest, at the same paths, with
            their libraries.
        initrd: An initial RAM file system to start from; what `command` needs is added to it.
        memory: MiB.
        kernel_arguments: Added to the kernel's command line.
        session: Run no command, but those that the host sends one after the other (`guest.linux.agent`).
    """

    command: tuple[str, ...] = ()
    host_programs: tuple[Path, ...] = ()
    initrd: Path | None = None
    memory: int = 256
    kernel_arguments: tuple[str, ...] = ()
    session: bool = False

    @property
    def needs_init(self) -> bool:
        """Whether our own init brings the system up, and not one of the user's."""
        return self.session or bool(self.command)


@dataclass(frozen=True, slots=True, kw_only=True)
class UmlOptions(GuestOptions):
    """A User Mode Linux guest: a Linux kernel that is an ordinary process.

    Attributes:
        kernel: The UML kernel; see `kernel.find_kernel`.
        root: A directory of this machine to run in, by hostfs; None: the initial RAM file system.
        writable: Whether the guest may write to `root`. Otherwise it gets a fresh tmpfs where programs
            write, so that every run starts from the same files.
    """

    kernel: Path
    root: Path | None = None
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QemuOptions(GuestOptions):
    """A guest of a stock QEMU.

    Attributes:
        architecture: "x86_64" or "aarch64".
        kernel: A kernel image, for whose modules `initrd` must care; None: Debian's kernel, fetched if
            need be, with its modules.
        accelerator: "tcg" runs everywhere; "kvm" is faster where the machine has a working one.
        qemu_arguments: Added to QEMU's command line.
    """

    memory: int = 512
    architecture: str = "x86_64"
    kernel: Path | None = None
    accelerator: str = "tcg"
    qemu_arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VirtualTime:
    """A UML guest that takes its time from a calendar, and repeats to the nanosecond.

    The kernel must be one with our patch (`kernel/determinism.patch`).

    Attributes:
        socket: Where the calendar listens.
        seed: Of all that the guest takes for random; not 0.
        syscall_ns: What a system call costs. Nothing else does: without it, a program that polls in a loop
            would stop time for ever.
    """

    socket: Path
    seed: int
    syscall_ns: int = 1000


def guest_seed(seed: int, index: int) -> int:
    """The seed of a machine's guest number `index`: 63 bits, never 0."""
    digest = hashlib.blake2b(f"{seed} {index}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1 | 1
