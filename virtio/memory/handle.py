"""One file descriptor of shared memory: made here, or received from a peer."""

from __future__ import annotations

import fcntl
import mmap
import os
import stat
from typing import Self

from virtio.closing import Closing
from virtio.descriptors import is_shared_memory
from virtio.errors import Misuse

PAGE = mmap.PAGESIZE
"""Bytes in a page of this host: the grain of every mapping but those of huge pages."""


class SharedHandle(Closing):
    """Owns one descriptor of mappable memory (a memfd, a file of a tmpfs, a hugetlbfs file).

    Closed explicitly, by `with`, or when the last reference goes. Mappings made from it outlive it.

    Attributes:
        size: Bytes in the file when the handle was made; `current_size` asks the kernel again.
        can_shrink: Whether its owner may cut the file short while it is mapped: nothing seals it
            against that. Loads beyond the new end then raise SIGBUS (see `virtio.memory.sigbus`). Huge pages
            can go for good under any seal: a hole is punched, and another takes the page.
        page: Bytes of its pages, in which alone it can be mapped; more than the host's in a hugetlbfs.
    """

    __slots__ = ("size", "can_shrink", "page", "_fd")

    def __init__(self, fd: int) -> None:
        self._fd = -1  # `__del__` must find it, also when the lines below raise
        # In this order. A file is cut first, and sealed then; so a size that was read after the seals holds.
        seals = _seals(fd)
        self.page = PAGE if seals is None else os.fstatvfs(fd).f_bsize
        self.can_shrink = self.page > PAGE or not (seals or 0) & fcntl.F_SEAL_SHRINK
        self.size = os.fstat(fd).st_size
        self._fd = fd

    @classmethod
    def create(cls, size: int, *, name: str = "scanout", seal: bool = True) -> Self:
        """New memory, all zeros, that no path names.

        Args:
            size: Bytes.
            name: Shown in `/proc/PID/maps` as `memfd:NAME`.
            seal: Fix the size for ever, which spares every user the fear of SIGBUS.

        Raises:
            Misuse: `size` is not positive.
        """
        if size <= 0:
            raise Misuse(f"shared memory {name!r}: size {size} is not positive")
        fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(fd, size)
            if seal:
                fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
            return cls(fd)
        except BaseException:
            os.close(fd)
            raise

    @classmethod
    def adopt(cls, fd: int, *, any_file: bool = False) -> Self:
        """Take ownership of a descriptor, for one that came over a socket.

        Args:
            fd: A file that is memory: a memfd, or a file of a tmpfs or hugetlbfs.
            any_file: Or any other, whose file system may let this process wait.

        Raises:
            Misuse: It is not such a file, or not open for reading and writing, so that it cannot be
                mapped. The descriptor then still belongs to the caller.
        """
        try:
            os.get_inheritable(fd)  # `fcntl` has no OSError for a negative one
            access = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
            is_file = is_shared_memory(fd) or (any_file and stat.S_ISREG(os.fstat(fd).st_mode))
        except OSError as error:
            raise Misuse(f"file descriptor {fd} cannot be memory: {error.strerror}") from error
        if not is_file:
            kinds = "a file" if any_file else "a file of memory (memfd, /dev/shm, hugetlbfs)"
            raise Misuse(f"file descriptor {fd} cannot be memory: it is not {kinds}")
        if access != os.O_RDWR:
            raise Misuse(f"file descriptor {fd} cannot be memory: it is not open for reading and writing")
        return cls(fd)

    @property
    def fd(self) -> int:
        """The descriptor, still owned by the handle.

        Raises:
            Misuse: The handle is closed.
        """
        if self._fd < 0:
            raise Misuse("a closed handle of shared memory is used")
        return self._fd

    def fileno(self) -> int:
        """As `fd`: lets a handle stand where Python takes a file."""
        return self.fd

    @property
    def closed(self) -> bool:
        """Whether `close` has been called."""
        return self._fd < 0

    def current_size(self) -> int:
        """Bytes in the file now."""
        return os.fstat(self.fd).st_size

    def identity(self) -> tuple[int, int]:
        """Equal for two handles of the same file (device and inode number)."""
        status = os.fstat(self.fd)
        return status.st_dev, status.st_ino

    def dup(self) -> Self:
        """A second owner of the same memory."""
        fd = fcntl.fcntl(self.fd, fcntl.F_DUPFD_CLOEXEC, 0)
        try:
            return type(self)(fd)
        except BaseException:
            os.close(fd)
            raise

    def close(self) -> None:
        """Give the descriptor back; once more does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<SharedHandle fd {self._fd}, {self.size} bytes>"


def _seals(fd: int) -> int | None:
    """The file's seals; None for a file that cannot have any, which is in no memory file system."""
    try:
        return fcntl.fcntl(fd, fcntl.F_GET_SEALS)
    except OSError:
        return None
