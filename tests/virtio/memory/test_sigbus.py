"""`virtio.memory.sigbus`: memory that is cut short reads as zeros, on any thread; other faults stay fatal."""

from __future__ import annotations

import ctypes
import fcntl
import gc
import mmap
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

from virtio.budget import Budget
from virtio.errors import Unmappable
from virtio.memory import PAGE, GuestMemory, Region, SharedHandle, sigbus
from virtio.memory.mapping import map_steps
from virtio.memory.region import validate
from virtio.turn import finish

Shrinking = Callable[[int], SharedHandle]


def guest(handle: SharedHandle) -> GuestMemory:
    """All of `handle` at guest address 0, no byte of it zero."""
    memory = GuestMemory([Region(0, handle.size, handle)])
    memory.view(0, handle.size)[:] = b"\xff" * handle.size
    return memory


def test_a_read_beyond_the_new_end_sees_zeros(shrinking: Shrinking) -> None:
    handle = shrinking(8 * PAGE)
    with guest(handle) as memory:
        os.ftruncate(handle.fd, 0)
        assert not memory.truncated
        assert memory.read(3 * PAGE, 4) == bytes(4)
        assert memory.truncated


def test_what_the_file_still_has_stays_readable(shrinking: Shrinking) -> None:
    handle = shrinking(8 * PAGE)
    with guest(handle) as memory:
        os.ftruncate(handle.fd, 2 * PAGE)
        assert memory.read(2 * PAGE - 1, 2) == b"\xff\x00"
        assert memory.read(0, 2 * PAGE) == b"\xff" * 2 * PAGE


def test_a_store_beyond_the_new_end_goes_nowhere(shrinking: Shrinking) -> None:
    handle = shrinking(4 * PAGE)
    with guest(handle) as memory:
        os.ftruncate(handle.fd, 0)
        memory.write(PAGE, b"lost")
        assert memory.truncated
        assert handle.current_size() == 0


def test_numpy_survives(shrinking: Shrinking) -> None:
    handle = shrinking(64 * PAGE)
    with guest(handle) as memory:
        pixels = np.frombuffer(memory.view(0, 64 * PAGE), np.uint32)
        os.ftruncate(handle.fd, 32 * PAGE)
        assert int((pixels != 0).sum()) == 32 * PAGE // 4
        assert memory.truncated


def test_scattered_mappings_survive_and_tell_their_memory(shrinking: Shrinking) -> None:
    handle = shrinking(8 * PAGE)
    with guest(handle) as memory:
        data = memory.map_scattered([(n * PAGE, PAGE) for n in (1, 5, 3)]).data
        os.ftruncate(handle.fd, 4 * PAGE)
        assert data[::PAGE].tolist() == [255, 0, 0], "zeros from the first missing page on"
        assert memory.truncated


def test_one_fault_replaces_the_rest_of_the_mapping(shrinking: Shrinking) -> None:
    handle = shrinking(1024 * PAGE)
    with guest(handle) as memory:
        before = len(Path("/proc/self/maps").read_text(encoding="ascii").splitlines())
        os.ftruncate(handle.fd, 0)
        assert not any(memory.read(0, 1024 * PAGE))
        after = len(Path("/proc/self/maps").read_text(encoding="ascii").splitlines())
        assert after <= before + 1


def test_another_guests_memory_is_untouched(shrinking: Shrinking) -> None:
    victim, other = shrinking(PAGE), shrinking(PAGE)
    with guest(victim) as cut, guest(other) as whole:
        os.ftruncate(victim.fd, 0)
        assert cut.read(0, 1) == b"\x00"
        assert whole.read(0, 1) == b"\xff"
        assert (cut.truncated, whole.truncated) == (True, False)


def test_truncation_outlives_the_mapping_that_met_it(shrinking: Shrinking) -> None:
    handle = shrinking(4 * PAGE)
    with guest(handle) as memory:
        mapping = memory.map_scattered([(2 * PAGE, PAGE), (0, PAGE)])
        os.ftruncate(handle.fd, 0)
        assert not mapping.data.any()
        mapping.close()
        assert memory.truncated


@numba.njit(nogil=True)
def sum_of(pixels: NDArray[np.uint8]) -> int:
    total = 0
    for value in pixels:
        total += value
    return total


def test_compiled_code_survives_while_another_thread_holds_the_interpreter(shrinking: Shrinking) -> None:
    handle = shrinking(16 * PAGE)
    with guest(handle) as memory:
        data = memory.map_scattered([(0, 16 * PAGE)]).data
        assert sum_of(data[:1]) == 255
        os.ftruncate(handle.fd, PAGE)
        sums: list[int] = []
        threads = [threading.Thread(target=lambda: sums.append(sum_of(data))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sums == [255 * PAGE] * 4
        assert memory.truncated


@numba.njit(parallel=True)
def parallel_sum_of(pixels: NDArray[np.uint8]) -> int:
    total = 0
    for index in numba.prange(pixels.size):
        total += pixels[index]
    return total


def test_worker_threads_survive_while_their_caller_holds_the_interpreter(shrinking: Shrinking) -> None:
    handle = shrinking(16 * PAGE)
    with guest(handle) as memory:
        data = memory.map_scattered([(0, 16 * PAGE)]).data
        os.ftruncate(handle.fd, PAGE)
        assert parallel_sum_of(data) == 255 * PAGE


def test_the_number_of_watched_mappings_is_capped(shrinking: Shrinking) -> None:
    handle = shrinking(PAGE)
    with guest(handle) as memory:
        guard = sigbus._guard()
        taken, guard.free[:] = guard.free[:], []
        try:
            with pytest.raises(Unmappable, match="8192 mappings of memory that can shrink"):
                memory.map_scattered([(0, PAGE)])
        finally:
            guard.free[:] = taken
        memory.map_scattered([(0, PAGE)])


def cut_and_seal(fd: int) -> None:
    """What a hostile peer does between our look at a file's size and our look at its seals."""
    os.ftruncate(fd, 0)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)


def test_a_file_that_is_cut_and_sealed_behind_the_check_of_its_size_is_guarded(
    shrinking: Shrinking, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = shrinking(8 * PAGE)

    def checked(regions: Sequence[Region]) -> None:
        validate(regions)
        cut_and_seal(handle.fd)

    monkeypatch.setattr("virtio.memory.guest.validate", checked)
    with GuestMemory([Region(0, 8 * PAGE, handle)]) as memory:
        assert memory._guarded_by is not None
        assert memory.read(PAGE, 4) == bytes(4)
        assert memory.truncated


def test_a_file_that_is_cut_and_sealed_between_the_looks_of_its_handle_can_shrink(
    shrinking: Shrinking, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle, look = shrinking(8 * PAGE), os.fstat
    file = look(handle.fd).st_ino

    def look_and_act(fd: int) -> os.stat_result:
        found = look(fd)
        if found.st_ino == file:
            cut_and_seal(fd)
        return found

    monkeypatch.setattr("os.fstat", look_and_act)
    with handle.dup() as twin:
        assert twin.can_shrink


@pytest.mark.parametrize("pages", [4, 64])
def test_a_fault_replaces_whole_pages_of_the_mappings_own_size(shrinking: Shrinking, pages: int) -> None:
    """As the kernel demands of huge pages, but never what lies before the mapping."""
    handle, truncated = shrinking(8 * PAGE), np.zeros(1, np.uint8)
    data = finish(
        map_steps(
            [(handle.fd, 0, 8 * PAGE)],
            writable=True,
            truncated=truncated,
            space=Budget(8 * pages * PAGE),
            page=pages * PAGE,
        )
    )
    data[:] = 255
    os.ftruncate(handle.fd, 6 * PAGE)
    assert data[6 * PAGE] == 0
    start, huge = data.ctypes.data, pages * PAGE
    kept = max(0, (start + 6 * PAGE) // huge * huge - start) // PAGE
    assert data[::PAGE].tolist() == [255] * kept + [0] * (8 - kept)
    assert truncated[0]


def huge_memory(pages: int) -> SharedHandle:
    fd = os.memfd_create("huge", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING | os.MFD_HUGETLB)
    size = pages * os.fstatvfs(fd).f_bsize
    try:
        os.ftruncate(fd, size)
        mmap.mmap(fd, size).close()
    except OSError:
        os.close(fd)
        pytest.skip("no huge pages are to be had (vm.nr_overcommit_hugepages)")
    return SharedHandle.adopt(fd)


def test_huge_pages_that_are_cut_are_survived_and_given_back() -> None:
    with huge_memory(4) as handle:
        huge = handle.page
        assert huge > PAGE
        assert handle.can_shrink
        size = 4 * huge - PAGE  # a table may end inside of a page
        with GuestMemory([Region(0, size, handle)]) as memory:
            memory.view(0, size)[:] = b"\xff" * size
            inside = memory.map_scattered([(huge + PAGE, PAGE)]).data
            assert not memory.is_mappable([(0, PAGE), (2 * PAGE, PAGE)])
            os.ftruncate(handle.fd, huge)
            assert memory.read(2 * huge + 5 * PAGE, 4) == bytes(4)
            assert memory.read(0, huge) == b"\xff" * huge
            assert not inside.any()
            assert memory.truncated
        name = "memfd:huge"
        del inside, memory
        gc.collect()
        assert name not in Path("/proc/self/maps").read_text(encoding="ascii")


def test_the_structure_has_the_size_that_the_machine_code_assumes() -> None:
    assert ctypes.sizeof(sigbus._SigAction) == 152


PRELUDE = """
import ctypes, faulthandler, gc, mmap, os, signal, sys, tempfile
from virtio.memory import PAGE, GuestMemory, Region, SharedHandle
handle = SharedHandle.create(4 * PAGE, seal=False)
def guest():
    memory = GuestMemory([Region(0, 4 * PAGE, handle)])
    memory.write(0, b"x" * 4 * PAGE)
    return memory
def foreign_fault():
    file = tempfile.TemporaryFile()
    file.truncate(PAGE)
    foreign = mmap.mmap(file.fileno(), PAGE)
    file.truncate(0)
    foreign[0]
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    """A program of its own: how processes die cannot be tested inside of one that shall live."""
    command = [sys.executable, "-c", PRELUDE + program]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_process_survives_truncation_and_exits_in_peace() -> None:
    done = run("""
memory = guest()
kept = memory.map_scattered([(PAGE, PAGE), (0, PAGE)]).data
os.ftruncate(handle.fd, 0)
print(memory.read(0, 3), kept.any(), memory.truncated)
""")
    assert (done.returncode, done.stdout, done.stderr) == (0, "b'\\x00\\x00\\x00' False True\n", "")


def test_the_guard_comes_back_when_another_handler_took_its_place() -> None:
    done = run("""
guest().close()
signal.signal(signal.SIGBUS, signal.SIG_DFL)
memory = guest()
os.ftruncate(handle.fd, 0)
print(memory.read(0, 3))
""")
    assert (done.returncode, done.stdout) == (0, "b'\\x00\\x00\\x00'\n")


def test_sealed_memory_needs_no_handler() -> None:
    done = run("""
kept = GuestMemory([Region(0, PAGE, SharedHandle.create(PAGE))]).view(0, 4)
print("llvmlite" in sys.modules)
""")
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")


def test_a_fault_elsewhere_still_kills() -> None:
    done = run("memory = guest(); foreign_fault()")
    assert (done.returncode, done.stderr) == (-signal.SIGBUS, "")


@pytest.mark.parametrize(
    "program",
    [
        "faulthandler.enable(); memory = guest(); foreign_fault()",
        "memory = guest(); faulthandler.enable(); foreign_fault()",
        "memory = guest(); faulthandler.enable(); again = guest(); foreign_fault()",
    ],
)
def test_a_fault_elsewhere_is_still_reported_by_faulthandler(program: str) -> None:
    done = run(program)
    assert done.returncode == -signal.SIGBUS
    assert done.stderr.count("Fatal Python error: Bus error") == 1
    assert "in foreign_fault" in done.stderr


def test_a_signal_sent_by_a_process_still_kills() -> None:
    done = run("memory = guest(); os.kill(os.getpid(), signal.SIGBUS)")
    assert (done.returncode, done.stderr) == (-signal.SIGBUS, "")


def test_a_signal_sent_by_a_process_reaches_the_earlier_handler() -> None:
    done = run("""
signal.signal(signal.SIGBUS, lambda *_: print("handled"))
memory = guest()
os.kill(os.getpid(), signal.SIGBUS)
""")
    assert (done.returncode, done.stdout) == (0, "handled\n")
