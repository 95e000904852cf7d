"""Initial RAM file systems: what a guest's kernel finds as its root.

The format is the kernel's "newc" cpio (Documentation/driver-api/early-userspace/buffer-format.rst): for
each file a header of 110 ASCII characters, its name and its data, each padded to 4 bytes, at the end a
file called TRAILER!!!. The same contents make the same bytes: no time, owner or order of the host is in it.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path, PurePosixPath

from guest.linux.errors import ToolFailed
from guest.linux.tool import require, run_tool
from virtio.errors import Misuse


class Initramfs:
    """Files to be, by their path in the guest. Directories above a file come by themselves."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[int, bytes, tuple[int, int]]] = {}  # path: mode, data, device
        self.add_device("/dev/console", 5, 1)  # the kernel opens it for PID 1, before anything is mounted
        self.add_device("/dev/null", 1, 3)

    def add_file(self, path: str, data: bytes, *, executable: bool = False) -> None:
        """A regular file; the last one of a name wins."""
        self._add(path, stat.S_IFREG | (0o755 if executable else 0o644), data)

    def add_device(self, path: str, major: int, minor: int) -> None:
        """A character device node."""
        self._add(path, stat.S_IFCHR | 0o600, device=(major, minor))

    def add_program(self, program: Path, path: str) -> None:
        """A static program of the host."""
        self.add_file(path, program.read_bytes(), executable=True)

    def add_program_with_libraries(self, program: Path) -> None:
        """A program of the host (modetest, say) and its shared libraries, at the same paths.

        Raises:
            Misuse: It is not there, or a library of it is not.
        """
        if not program.is_file():
            raise Misuse(f"{program}: no such program to put into the guest")
        for library in shared_libraries(program):
            self.add_program(library, str(library))
        self.add_program(program, str(program.absolute()))

    def build(self) -> bytes:
        """The archive, as it is: to compress it would cost more than it would gain."""
        archive = bytearray()
        for number, path in enumerate(sorted(self._entries), start=1):
            mode, data, device = self._entries[path]
            archive += _record(path.lstrip("/"), number, mode, data, device)
        archive += _record("TRAILER!!!", 0, 0, b"", (0, 0))
        return bytes(archive)

    def _add(self, path: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        place = PurePosixPath(path)
        if not place.is_absolute() or ".." in place.parts:
            raise Misuse(f"{path}: a path in a guest is absolute")
        for parent in [*place.parents][:-1]:
            self._entries.setdefault(str(parent), (stat.S_IFDIR | 0o755, b"", (0, 0)))
        self._entries[str(place)] = (mode, data, device)


def shared_libraries(program: Path) -> list[Path]:
    """What the dynamic linker loads for a program, itself included; nothing for a static one.

    Raises:
        Misuse: A library is not installed.
    """
    require("ldd")
    try:
        listed = run_tool(["ldd", program], what=f"listing the libraries of {program}")
    except ToolFailed as error:
        if "not a dynamic executable" in str(error):
            return []
        raise
    if missing := re.findall(r"^\s*(\S+) => not found", listed, re.M):
        raise Misuse(f"{program}: needs libraries that are not installed: {', '.join(missing)}")
    return [Path(library) for library in re.findall(r"(/\S+) \(0x", listed)]


def _record(name: str, inode: int, mode: int, data: bytes, device: tuple[int, int]) -> bytes:
    links = 2 if stat.S_ISDIR(mode) else 1
    # inode, mode, owner, group, links, time, size, two devices (it lies on, it is), length of name, checksum
    fields = (inode, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(name.encode()) + 1, 0)
    header = b"070701" + "".join(f"{field:08X}" for field in fields).encode()
    return _padded(header + name.encode() + b"\0") + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
