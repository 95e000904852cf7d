"""What a test leaves behind: tasks, processes, descriptors, mappings, threads; each by its name.

`look` is taken before and after a test, and must cost next to nothing: it lists numbers only. A name is
looked up when there is something to name, and what garbage collection takes away was not left behind.
"""

from __future__ import annotations

import gc
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from virtio.memory.mapping import live_ranges

# Workers of the default executors of asyncio and anyio, and the renderer's helper: they live as long as the
# process, and wait for the next test.
_POOLED = ("asyncio_", "AnyIO worker thread", "scanout-render")
_TASKS = "/proc/self/task"
_LOOKS = 1000  # at a process between its fork and its program


@dataclass(frozen=True, slots=True)
class Look:
    """What this process had at one time.

    Attributes:
        descriptors: Open file descriptors; a memfd has one, and a Python mmap keeps one.
        processes: Children, those that have ended and were not waited for included.
        ranges: Addresses of guest memory that is mapped.
        threads: Python's.
    """

    descriptors: frozenset[int]
    processes: frozenset[int]
    ranges: frozenset[int]
    threads: frozenset[threading.Thread]

    def since(self, before: Look) -> bool:
        """Whether there is anything that was not there before."""
        return bool(
            self.descriptors - before.descriptors
            or self.processes - before.processes
            or self.ranges - before.ranges
            or self.threads - before.threads
        )


def look() -> Look:
    """What this process has now."""
    return Look(
        _descriptors(),
        _children(),
        frozenset(live_ranges()),
        frozenset(thread for thread in threading.enumerate() if not thread.name.startswith(_POOLED)),
    )


def leftovers(before: Look) -> list[str]:
    """A line for each thing that was not there before, and is still there without the garbage."""
    after = look()
    for generation in (1, 2):  # what a closed machine leaves to the collector is young, as a rule
        if not after.since(before):
            return []
        gc.collect(generation)
        after = look()
    return [
        *(name for fd in sorted(after.descriptors - before.descriptors) if (name := _descriptor(fd))),
        *(_process(pid) for pid in sorted(after.processes - before.processes)),
        *(_range(address) for address in sorted(after.ranges - before.ranges)),
        *(f"thread {thread.name}" for thread in after.threads - before.threads),
    ]


def _descriptors() -> frozenset[int]:
    """All open descriptors, but for that of the listing itself: the next that is opened gets its number."""
    listed = frozenset(map(int, os.listdir("/proc/self/fd")))  # noqa: PTH208 - takes no time
    following = os.open("/proc/self/fd", os.O_RDONLY | os.O_CLOEXEC)
    os.close(following)
    return listed - {following}


def _children() -> frozenset[int]:
    """Children of every thread; one that ends meanwhile has none."""
    found: list[bytes] = []
    for thread in os.listdir(_TASKS):  # noqa: PTH208 - as above
        try:
            with open(f"{_TASKS}/{thread}/children", "rb") as children:  # noqa: PTH123
                found += children.read().split()
        except OSError:
            continue
    return frozenset(map(int, found))


def _descriptor(fd: int) -> str:
    """What a descriptor is; empty when it is closed."""
    try:
        target = str(Path(f"/proc/self/fd/{fd}").readlink())
    except OSError:
        return ""
    kind, _, name = target.partition(":")
    if kind == "/memfd":
        return f"memfd {name.removesuffix(' (deleted)')} (descriptor {fd})"
    return f"descriptor {fd}: {target}"


def _process(pid: int) -> str:
    """A process by its command line, which one that has begun a moment ago has a moment later."""
    command, ended, looks = "", False, 0
    while not (command or ended) and looks < _LOOKS:
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            ended = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            line, ended = b"", True
        command = line.replace(b"\0", b" ").decode(errors="replace").strip()
        looks += 1
        os.sched_yield()
    what = "it has ended, and was not waited for" if ended else "it has no command line"
    return f"process {pid}: {command[:120] or what}"


def _range(address: int) -> str:
    """A mapping by what is mapped there, as the kernel says."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        place, _, _, _, _, *name = line.split(maxsplit=5)
        if int(place.partition("-")[0], 16) == address:
            return f"mapping of {(name or ['memory'])[0].removeprefix('/').removesuffix(' (deleted)')}"
    return f"mapping at {address:#x}"
