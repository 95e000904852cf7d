"""What `scanout serve` keeps of its rights once it is set up, and what this kernel lets it give away.

Files come first, before any thread is started, because Landlock binds a thread and those that it starts;
system calls follow when the sockets listen. A window's driver opens files and starts threads as it likes, so
with `--window` files come last, too, and threads of the driver keep their rights to them.
"""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

import compositor
import guest
import virtio
from compositor.commands.sandbox import landlock, seccomp
from compositor.commands.sandbox.landlock import READ, Access
from compositor.files import create, reserve
from compositor.render import blend
from virtio.memory import sigbus

Report = Callable[[str], None]

_LIBRARIES = ("/usr/lib", "/lib", "/lib64", "/usr/local/lib", "/usr/share", "/etc/ld.so.cache")
_KERNEL = ("/proc/sys/vm/max_map_count", "/dev/urandom")


class Sandbox:
    """The sandbox of one process. Call `before`, then `after`.

    Args:
        sockets: Where it listens.
        results: Files that it writes at the end.
        streams: Files that it writes from the beginning.
        window: It shows windows, whose screenshots go to the working directory.
        report: Gets one line for what this kernel cannot do.
    """

    def __init__(
        self,
        *,
        sockets: Iterable[Path],
        results: Iterable[Path],
        streams: Iterable[Path],
        window: bool,
        report: Report,
    ) -> None:
        self._sockets, self._results, self._streams = list(sockets), list(results), list(streams)
        self._window, self._report = window, report

    def before(self) -> None:
        """Load what would be loaded late, and give away files."""
        blend.load()
        sigbus.prepare()
        for path in self._results:
            reserve(path)
        for path in self._streams:
            create(path)
        if not self._window:
            self._give_files_away()

    def after(self) -> None:
        """The sockets listen: give away programs and connections, too."""
        if self._window:
            self._give_files_away()
        try:
            if seccomp.is_there():
                seccomp.forbid(new_files=not self._window)
                return
        except OSError as error:
            self._report(f"sandbox: the kernel filters no system calls ({error.strerror})")
            return
        self._report("sandbox: no filters of system calls here: programs and connections stay allowed")

    def _give_files_away(self) -> None:
        if not landlock.version():
            self._report("sandbox: no Landlock here (Linux 5.13, lsm=landlock): files stay allowed")
            return
        try:
            landlock.restrict(self._rules())
        except OSError as error:
            self._report(f"sandbox: the kernel does not restrict files ({error.strerror}): they stay allowed")

    def _rules(self) -> dict[Path, Access]:
        rules = landlock.present((*own_code(), *_LIBRARIES, *_KERNEL), READ)
        rules |= landlock.present([os.devnull], Access.READ_FILE | Access.WRITE_FILE)
        rules |= dict.fromkeys(self._streams, Access.WRITE_FILE | Access.TRUNCATE)
        for places, access in (
            (self._results, Access.MAKE_REG | Access.REMOVE_FILE),  # a part takes its name
            (self._sockets, Access.MAKE_SOCK | Access.REMOVE_FILE),
        ):
            for folder in landlock.present((path.resolve().parent for path in places), access):
                rules[folder] = rules.get(folder, Access(0)) | access
        if self._window:
            here, new = Path.cwd(), Access.WRITE_FILE | Access.MAKE_REG | Access.REMOVE_FILE
            rules[here] = rules.get(here, Access(0)) | new
        return rules


def own_code() -> set[Path]:
    """Where this program's code lies, and what it imports."""
    packages = [Path(str(package.__file__)).parent for package in (compositor, guest, virtio)]
    return {
        *packages,
        Path(np.__file__).parents[1],
        *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    }


def what_the_kernel_gives() -> str | None:
    """For `scanout doctor`; None: nothing."""
    version = landlock.version()
    found = [f"files (Landlock, version {version})"] if version else []
    found += ["system calls (seccomp)"] if seccomp.is_there() else []
    return ", ".join(found) or None
