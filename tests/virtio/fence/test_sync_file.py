"""Sync files: a fence as a descriptor."""

from __future__ import annotations

import errno
import gc
import os
import select
import socket

import pytest

from virtio.errors import Misuse
from virtio.fence.fence import Fence
from virtio.fence.sync_file import SyncFile
from virtio.fence.timeline import Timeline


def readable(file: SyncFile) -> bool:
    return bool(select.select([file], [], [], 0)[0])


def copy_of(file: SyncFile) -> SyncFile:
    """A second owner, as another process would be."""
    return SyncFile.adopt(os.dup(file.fileno()))


def descriptors() -> set[str]:
    gc.collect()
    return set(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_it_polls_readable_when_the_fence_signals() -> None:
    timeline = Timeline("gpu", context=12)
    fence = timeline.fence(4)
    with SyncFile.from_fence(fence) as file:
        assert (readable(file), file.status, file.wait(0)) == (False, 0, False)
        fence.add_callback(lambda _: None)
        assert file.info() == ("gpu12-4", 12, 4, 0, None, os.getpid())
        fence.signal(now_ns=99)
        assert (readable(file), file.status, file.wait()) == (True, 1, True)
        assert file.info().timestamp_ns == 99


def test_an_error_is_its_status() -> None:
    fence = Fence()
    with SyncFile.from_fence(fence) as file:
        fence.signal(-errno.EIO)
        assert (readable(file), file.status) == (True, -errno.EIO)


def test_a_fence_that_has_signalled_makes_a_file_that_has() -> None:
    fence = Fence(5, 6)
    fence.signal(now_ns=3)
    with SyncFile.from_fence(fence) as file:
        assert file.info() == ("fence5-6", 5, 6, 1, 3, os.getpid())


def test_names_are_cut_as_the_kernel_cuts_them() -> None:
    with SyncFile.from_fence(Fence(), "n" * 40) as file, copy_of(file) as other:
        assert file.name == other.name == "n" * 32


def test_every_copy_of_the_descriptor_sees_the_same() -> None:
    fence = Fence()
    with SyncFile.from_fence(fence) as file, copy_of(file) as copy, copy_of(copy) as other:
        file.close()
        fence.signal(now_ns=8)
        for _ in range(2):
            for holder in (copy, other):
                assert (readable(holder), holder.info().timestamp_ns) == (True, 8)


def test_it_passes_over_a_socket() -> None:
    fence = Fence(3, 9)
    ours, theirs = socket.socketpair()
    with ours, theirs, SyncFile.from_fence(fence, "frame 9") as file:
        socket.send_fds(ours, [b"x"], [file.fileno()])
        _, fds, _, _ = socket.recv_fds(theirs, 1, 1)
        with SyncFile.adopt(fds[0]) as received:
            fence.signal(now_ns=2)
            assert received.info() == ("frame 9", 3, 9, 1, 2, os.getpid())


def test_a_fence_that_is_dropped_wakes_the_holders_with_the_kernels_error() -> None:
    fence = Fence()
    with SyncFile.from_fence(fence) as file:
        other = copy_of(file)
    with other:
        assert other.status == 0
        del fence
        assert (readable(other), other.status) == (True, -errno.EDEADLK)


def test_closing_the_only_holder_leaves_nothing_behind() -> None:
    fence, before = Fence(), descriptors()
    file = SyncFile.from_fence(fence)
    assert len(descriptors() - before) == 2
    file.close()
    file.close()
    assert descriptors() == before
    assert fence._callbacks == []
    fence.signal()


def test_what_is_kept_for_another_holder_goes_with_the_signal() -> None:
    fence, before = Fence(), descriptors()
    with SyncFile.from_fence(fence) as file:
        other = copy_of(file)
    assert len(descriptors() - before) == 2
    other.close()
    fence.signal()
    assert descriptors() == before


def test_a_file_that_is_dropped_closes_in_silence() -> None:
    before = descriptors()
    fence = Fence()
    file = SyncFile.from_fence(fence)
    fence.signal()
    del file
    assert descriptors() == before


def test_files_that_signalled_hold_no_descriptors() -> None:
    before = descriptors()
    for _ in range(50):
        fence = Fence()
        with SyncFile.from_fence(fence):
            fence.signal()
    assert descriptors() == before


def test_a_closed_file_is_of_no_use() -> None:
    file = SyncFile.from_fence(Fence(), "gpu")
    file.close()
    for use in (
        file.fileno,
        file.info,
        file.wait,
        lambda: file.status,
    ):
        with pytest.raises(Misuse, match="sync file gpu is closed"):
            use()
    assert repr(file) == "<SyncFile gpu, fd -1>"


def test_only_sync_files_are_adopted_and_others_stay_the_callers() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with pytest.raises(Misuse, match=f"descriptor {ours.fileno()} is no sync file: it is another kind"):
            SyncFile.adopt(ours.fileno())
        ours.send(b"still open")
    read, write = os.pipe()
    with pytest.raises(Misuse, match=f"descriptor {read} is no sync file: it is no socket"):
        SyncFile.adopt(read)
    os.close(read)
    os.close(write)
    with pytest.raises(Misuse, match=f"descriptor {read} is no sync file: Bad file descriptor"):
        SyncFile.adopt(read)
