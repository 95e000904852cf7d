"""A Unix socket to listen on. A stale one is replaced, a live one left alone; at the end only ours goes.

Who may connect is decided twice: by the file's mode, and by the peer's credentials, which the kernel notes
when it connects (SO_PEERCRED, unix(7)). Sockets have paths, never abstract names, which have no mode.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
from collections.abc import Collection
from pathlib import Path

from virtio.errors import Misuse

_CREDENTIALS = struct.Struct("=iII")  # struct ucred: process, user, group
# sun_path of Linux, without the final zero.
_PATH_LIMIT = 107


class UnixListener:
    """Listens on `path`, without ever blocking, for its owner and root alone (0600). `close` it.

    Args:
        path: Where; a socket that a dead listener left may be there.
        backlog: How many may wait to be accepted.
        users: Numbers of users who may connect, too; the file's mode is 0666 then.

    Attributes:
        socket: It listens; the owner accepts.

    Raises:
        Misuse: It cannot be: another server is there, or something that is no socket, or there is no such
            directory. The line says which.
    """

    def __init__(self, path: Path, backlog: int, users: Collection[int] = ()) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._path = path
        self._users = frozenset((0, os.geteuid(), *users))
        try:
            _remove_stale(path)
            os.fchmod(self.socket.fileno(), 0o600)  # the file gets it when it is made, whatever the umask
            self.socket.bind(str(path))
        except OSError as error:
            self.socket.close()
            raise Misuse(f"cannot listen on {path}: {_explain(path, error)}") from None
        except Misuse:
            self.socket.close()
            raise
        self._file = _identity(path)
        try:
            if users:
                path.chmod(0o666)
            self.socket.listen(backlog)
        except OSError as error:
            self.close()
            raise Misuse(f"cannot listen on {path}: {_explain(path, error)}") from None

    def stranger(self, sock: socket.socket) -> int | None:
        """The number of the user at the other end of a connection, if that one may not connect."""
        _, user, _ = _CREDENTIALS.unpack(
            sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        return None if user in self._users else int(user)

    def close(self) -> None:
        """Stop listening, and remove the socket, if it is still ours."""
        self.socket.close()
        if self._file is not None and _identity(self._path) == self._file:
            self._path.unlink()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _remove_stale(path: Path) -> None:
    """Remove a socket that no process listens on any more.

    Raises:
        Misuse: A process does, or it is no socket.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Misuse(f"cannot listen on {path}: it exists and is no socket; choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        answer = probe.connect_ex(str(path))
    if answer in (0, errno.EAGAIN):
        raise Misuse(f"cannot listen on {path}: another server listens there; stop it or choose another path")
    if answer != errno.ECONNREFUSED:
        raise OSError(answer, os.strerror(answer))
    path.unlink()


def _explain(path: Path, error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return f"there is no directory {path.parent}; create it first"
    if error.errno is None:  # raised by Python itself, before it asks the kernel
        length = len(os.fsencode(path))
        return f"the path has {length} bytes, a socket's has at most {_PATH_LIMIT}; choose a shorter one"
    return f"{error.strerror}; choose another path"
