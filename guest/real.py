"""Real guests, described: what to boot, and with which program. A machine launches them.

await machine.attach(UmlGuest("pageflip"))
await machine.attach(QemuGuest("pattern"))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from guest.linux import (
    PROGRAMS,
    GuestOptions,
    QemuOptions,
    QemuProcess,
    UmlOptions,
    UmlProcess,
    find_kernel,
    prepare,
)
from guest.linux.agent import AgentLine
from guest.linux.options import VirtualTime
from guest.linux.process import GuestProcess
from guest.linux.qemu import ARCHITECTURES
from guest.linux.tool import Progress, no_progress
from virtio.arguments import check_list, check_one_of, check_type, check_whole
from virtio.errors import Misuse

Echo = Callable[[str], None]

# What a program prints when its picture will not change any more.
_FINAL_PICTURE = {"pattern": " is up\n"}


@dataclass(kw_only=True, eq=False)
class LinuxGuest:
    """What UML and QEMU guests have in common.

    Attributes:
        program: One of the programs that ship, or None.
        command: Program and arguments; a path in the guest. Given with `program`: its arguments.
        kernel: The kernel to boot; None: UML: as `find_kernel`; QEMU: Debian's.
        initrd: An initial RAM file system of one's own.
        memory: MiB.
        host_programs: Programs of this machine to put into the guest, with their libraries.
        name: For people and statistics; by default its kind.
        session: Boot once, for many commands: `Attachment.run`.
        programs: The names of those that ship.
        kind: "uml" or "qemu".
        takes_virtual_time: Whether it can take part in a calendar.
        sees_its_directory: Whether the guest can read files of the directory that it is started in.

    Raises:
        Misuse: There is no such program, or one for a session; or an argument is of another type.
    """

    kind: ClassVar[str]
    takes_virtual_time: ClassVar[bool] = False
    sees_its_directory: ClassVar[bool] = False
    programs: ClassVar[Sequence[str]] = PROGRAMS

    program: str | None = field(default=None, kw_only=False)
    command: Sequence[str] = ()
    kernel: Path | None = None
    initrd: Path | None = None
    memory: int
    host_programs: Sequence[Path] = ()
    name: str = ""
    session: bool = False

    def __post_init__(self) -> None:
        self._check()
        if self.session and (self.program is not None or self.command):
            raise Misuse("a session guest runs what its `run` is given, one after the other: give no program")
        if self.program is not None and self.program not in PROGRAMS:
            raise Misuse(f"there is no guest program {self.program!r}; there are {', '.join(PROGRAMS)}")
        self.name = self.name or self.kind

    def _check(self) -> None:
        """Refuse arguments of another type."""
        check_whole("memory", self.memory, least=1)
        check_type("name", self.name, str, "a text")
        for name, path in (("kernel", self.kernel), ("initrd", self.initrd)):
            if path is not None:
                check_type(name, path, Path, "a Path")
        check_list("command", self.command, str, "a list of texts")
        check_list("host_programs", self.host_programs, Path, "a list of Path")

    @property
    def argv(self) -> tuple[str, ...]:
        """What runs in the guest: program and arguments."""
        return (*self.command,) if self.program is None else (self.program, *self.command)

    @property
    def final_picture(self) -> str | None:
        """A text on the console after which the picture stays as it is; None: no such."""
        return _FINAL_PICTURE.get(self.program or "")

    def options(self) -> GuestOptions:
        """What the launcher is told.

        Raises:
            KernelUnusable: There is no kernel for it, or the file given is none.
        """
        raise NotImplementedError

    def prepare(self, progress: Progress = no_progress) -> None:
        """Fetch and compile what the guest needs and the cache has not; launching would do it in the loop.

        Raises:
            ToolMissing: A program that this needs is not installed.
            ToolFailed: A download or a compiler failed.
        """
        prepare(self.options(), progress)

    async def launch(
        self,
        socket: Path,
        workdir: Path,
        echo: Echo,
        time: VirtualTime | None = None,
        line: AgentLine | None = None,
    ) -> GuestProcess:
        """Start the guest.

        Args:
            socket: Where its vhost-user virtio-gpu device listens.
            workdir: An empty directory of its own; the caller removes it.
            echo: Called with the console's text as it arrives.
            time: Whose time it takes; None: the real one.
            line: To the agent of a session.

        Raises:
            ScanoutError: It cannot be started; the message says why.
        """
        raise NotImplementedError


@dataclass(kw_only=True, eq=False)
class UmlGuest(LinuxGuest):
    """A User Mode Linux kernel: a real kernel and driver, in an ordinary process.

    Attributes:
        root: A directory of this machine as the guest's root, by hostfs.

    The others are `LinuxGuest`'s.
    """

    kind = "uml"
    takes_virtual_time = True
    sees_its_directory = True

    memory: int = 256
    root: Path | None = None

    def _check(self) -> None:
        super()._check()
        if self.root is not None:
            check_type("root", self.root, Path, "a Path")

    def options(self) -> UmlOptions:
        """See `LinuxGuest.options`."""
        return UmlOptions(
            command=self.argv,
            kernel=find_kernel(self.kernel),
            initrd=self.initrd,
            root=self.root,
            memory=self.memory,
            host_programs=tuple(self.host_programs),
            session=self.session,
        )

    async def launch(
        self,
        socket: Path,
        workdir: Path,
        echo: Echo,
        time: VirtualTime | None = None,
        line: AgentLine | None = None,
    ) -> UmlProcess:
        """See `LinuxGuest.launch`."""
        return await UmlProcess.start(
            self.options(), socket, workdir, name=self.name, echo=echo, time=time, line=line
        )


@dataclass(kw_only=True, eq=False)
class QemuGuest(LinuxGuest):
    """A stock QEMU; without a kernel of one's own, Debian's.

    `vhost-user-gpu-pci` does not pass blob resources on, so `pageflip` draws into buffers of virtio-gpu
    itself here (`--dumb`), whose pixels the guest transfers.

    Attributes:
        architecture: "x86_64" or "aarch64".
        qemu_arguments: Further arguments for QEMU.

    The others are `LinuxGuest`'s.
    """

    kind = "qemu"

    memory: int = 512
    architecture: str = "x86_64"
    qemu_arguments: Sequence[str] = ()

    def _check(self) -> None:
        super()._check()
        check_one_of("architecture", self.architecture, ARCHITECTURES)
        check_list("qemu_arguments", self.qemu_arguments, str, "a list of texts")

    @property
    def argv(self) -> tuple[str, ...]:
        """See `LinuxGuest.argv`."""
        dumb = self.program == "pageflip" and "--dumb" not in self.command
        return ("pageflip", "--dumb", *self.command) if dumb else super().argv

    def options(self) -> QemuOptions:
        """See `LinuxGuest.options`."""
        return QemuOptions(
            command=self.argv,
            kernel=self.kernel,
            initrd=self.initrd,
            memory=self.memory,
            architecture=self.architecture,
            qemu_arguments=tuple(self.qemu_arguments),
            host_programs=tuple(self.host_programs),
            session=self.session,
        )

    async def launch(
        self,
        socket: Path,
        workdir: Path,
        echo: Echo,
        time: VirtualTime | None = None,
        line: AgentLine | None = None,
    ) -> QemuProcess:
        """See `LinuxGuest.launch`."""
        if time is not None:
            raise Misuse("QEMU keeps its own time: use the real clock")
        return await QemuProcess.start(self.options(), socket, workdir, name=self.name, echo=echo, line=line)
