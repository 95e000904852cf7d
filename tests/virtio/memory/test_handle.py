"""`virtio.memory.handle`: descriptors of shared memory, owned once."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from virtio.errors import Misuse
from virtio.memory import PAGE, SharedHandle


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_created_memory_is_sealed_against_any_change_of_size() -> None:
    with SharedHandle.create(PAGE) as handle:
        assert (handle.size, handle.current_size(), handle.can_shrink) == (PAGE, PAGE, False)
        for size in (0, 2 * PAGE):
            with pytest.raises(PermissionError):
                os.ftruncate(handle.fd, size)


def test_unsealed_memory_tells_that_it_can_shrink() -> None:
    with SharedHandle.create(PAGE, seal=False) as handle:
        assert handle.can_shrink
        os.ftruncate(handle.fd, 10)
        assert (handle.size, handle.current_size()) == (PAGE, 10)


def test_a_file_that_knows_no_seals_can_shrink(tmp_path: Path) -> None:
    path = tmp_path / "memory"
    path.write_bytes(bytes(PAGE))
    with SharedHandle.adopt(os.open(path, os.O_RDWR), any_file=True) as handle:
        assert handle.can_shrink


@pytest.mark.parametrize("size", [0, -1])
def test_memory_without_bytes_is_refused(size: int) -> None:
    with pytest.raises(Misuse, match="is not positive"):
        SharedHandle.create(size)


def test_a_size_that_no_file_can_have_leaves_no_descriptor() -> None:
    with pytest.raises(OverflowError):
        SharedHandle.create(1 << 63)


def test_name_shows_in_the_descriptor() -> None:
    with SharedHandle.create(PAGE, name="guest-7") as handle:
        assert "memfd:guest-7" in Path(f"/proc/self/fd/{handle.fd}").readlink().name


def test_descriptors_are_not_inherited_by_programs() -> None:
    with SharedHandle.create(PAGE) as handle, handle.dup() as twin:
        for fd in (handle.fd, twin.fd):
            assert fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC


def test_adopted_descriptor_is_closed_with_its_owner() -> None:
    with SharedHandle.create(PAGE) as handle:
        fd = os.dup(handle.fd)
        with SharedHandle.adopt(fd) as adopted:
            assert (adopted.fd, adopted.fileno(), adopted.size) == (fd, fd, PAGE)
        assert not is_open(fd)


def test_adopting_what_cannot_be_memory_leaves_it_to_the_caller() -> None:
    pipe = os.pipe()
    memory = os.memfd_create("memory")
    read_only = os.open(f"/proc/self/fd/{memory}", os.O_RDONLY)
    try:
        for any_file, line in ((False, "it is not a file of memory"), (True, "it is not a file$")):
            with pytest.raises(Misuse, match=line):
                SharedHandle.adopt(pipe[0], any_file=any_file)
        with pytest.raises(Misuse, match="not open for reading and writing"):
            SharedHandle.adopt(read_only)
    finally:
        for fd in (*pipe, memory, read_only):
            os.close(fd)  # raises if it was closed before


def test_a_file_whose_file_system_may_not_answer_is_memory_only_if_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused without a question to its file system; one in user space (FUSE) answers when it likes."""
    fd = os.open(tmp_path / "memory", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, PAGE)
    monkeypatch.setattr("virtio.memory.handle.is_shared_memory", lambda _fd: False)  # tmp_path may be a tmpfs
    with monkeypatch.context() as patched:
        patched.setattr("os.fstat", lambda _fd: pytest.fail("its file system was asked"))
        with pytest.raises(Misuse, match=r"it is not a file of memory \(memfd, /dev/shm, hugetlbfs\)"):
            SharedHandle.adopt(fd)
    with SharedHandle.adopt(fd, any_file=True) as handle:
        assert handle.size == PAGE


@pytest.mark.parametrize("fd", [-1, 1_000_000])
def test_adopting_no_descriptor_is_refused(fd: int) -> None:
    with pytest.raises(Misuse, match="Bad file descriptor"):
        SharedHandle.adopt(fd)


def test_a_duplicate_outlives_the_original_and_is_the_same_memory() -> None:
    with SharedHandle.create(PAGE) as handle:
        twin = handle.dup()
        assert twin.identity() == handle.identity()
    with twin, SharedHandle.create(PAGE) as other:
        assert twin.current_size() == PAGE
        assert twin.identity() != other.identity()


def test_closing_twice_does_nothing_and_a_closed_handle_refuses_use() -> None:
    handle = SharedHandle.create(PAGE)
    assert not handle.closed
    handle.close()
    handle.close()
    assert handle.closed
    for use in (lambda: handle.fd, handle.fileno, handle.current_size, handle.dup, handle.identity):
        with pytest.raises(Misuse, match="closed handle"):
            use()


def test_a_forgotten_handle_closes_its_descriptor() -> None:
    handle = SharedHandle.create(PAGE)
    fd = handle.fd
    del handle
    assert not is_open(fd)


def test_repr_says_what_it_is() -> None:
    with SharedHandle.create(PAGE) as handle:
        assert repr(handle) == f"<SharedHandle fd {handle.fd}, {PAGE} bytes>"
