import stat
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guest.linux.initramfs import Initramfs, shared_libraries
from virtio.errors import Misuse


class Entry(NamedTuple):
    mode: int
    device: tuple[int, int]
    data: bytes


def read(data: bytes) -> dict[str, Entry]:
    """The kernel's view: initramfs/buffer-format.rst, checked as strictly as init/initramfs.c does."""
    entries: dict[str, Entry] = {}
    offset = 0
    while True:
        assert offset % 4 == 0
        assert data[offset : offset + 6] == b"070701"
        fields = [int(data[offset + 6 + 8 * i : offset + 14 + 8 * i], 16) for i in range(13)]
        start = offset + 110
        name = data[start : start + fields[11]]
        assert name.endswith(b"\0")
        body = (start + fields[11] + 3) & ~3
        end = body + fields[6]
        if name == b"TRAILER!!!\0":
            assert end == len(data)
            return entries
        entries[name[:-1].decode()] = Entry(fields[1], (fields[9], fields[10]), data[body:end])
        offset = (end + 3) & ~3


def test_files_directories_and_devices() -> None:
    initramfs = Initramfs()
    initramfs.add_file("/etc/motd", b"hello")
    initramfs.add_file("/init", b"\x7fELF", executable=True)
    initramfs.add_device("/dev/kmsg", 1, 11)
    entries = read(initramfs.build())
    assert entries["etc"] == (stat.S_IFDIR | 0o755, (0, 0), b"")
    assert entries["etc/motd"] == (stat.S_IFREG | 0o644, (0, 0), b"hello")
    assert entries["init"].mode == stat.S_IFREG | 0o755
    assert entries["dev/kmsg"] == (stat.S_IFCHR | 0o600, (1, 11), b"")


def test_the_console_is_there_before_anything_is_mounted() -> None:
    assert read(Initramfs().build())["dev/console"] == (stat.S_IFCHR | 0o600, (5, 1), b"")


@given(
    st.dictionaries(
        st.from_regex(r"(/[a-zäö]{1,9}){1,4}", fullmatch=True), st.binary(max_size=50), max_size=8
    )
)
def test_whatever_goes_in_comes_out(files: dict[str, bytes]) -> None:
    files = {p: d for p, d in files.items() if not any(other.startswith(p + "/") for other in files)}
    initramfs = Initramfs()
    for path, data in files.items():
        initramfs.add_file(path, data)
    entries = read(initramfs.build())
    assert {f"/{path}": entry.data for path, entry in entries.items() if stat.S_ISREG(entry.mode)} == files


def test_a_directory_comes_before_what_is_in_it() -> None:
    initramfs = Initramfs()
    for path in ("/a-b/x", "/a/b/c", "/a/b.d/e"):
        initramfs.add_file(path, b"")
    names = list(read(initramfs.build()))
    for name in names:
        assert "/" not in name or names.index(name.rpartition("/")[0]) < names.index(name)


def test_the_same_contents_make_the_same_bytes() -> None:
    one, other = Initramfs(), Initramfs()
    for initramfs, order in ((one, "abc"), (other, "cab")):
        for name in order:
            initramfs.add_file(f"/{name}", name.encode())
    assert one.build() == other.build()


@pytest.mark.parametrize("path", ["relative", "/a/../b"])
def test_paths_are_absolute_and_plain(path: str) -> None:
    with pytest.raises(Misuse, match="absolute"):
        Initramfs().add_file(path, b"")


def test_a_dynamic_program_brings_its_libraries() -> None:
    program = Path("/bin/sh")
    initramfs = Initramfs()
    initramfs.add_program_with_libraries(program)
    entries = read(initramfs.build())
    assert entries["bin/sh"].data == program.read_bytes()
    libraries = shared_libraries(program)
    assert any("ld-linux" in library.name for library in libraries)
    for library in libraries:
        assert entries[str(library).lstrip("/")].data == library.read_bytes()
        assert entries[str(library).lstrip("/")].mode == stat.S_IFREG | 0o755


def test_a_static_program_needs_none(fake_program: Callable[[str, str], Path]) -> None:
    fake_program("ldd", "echo '\tnot a dynamic executable'; exit 1")
    assert shared_libraries(Path("/bin/sh")) == []


def test_a_library_that_is_not_installed(fake_program: Callable[[str, str], Path]) -> None:
    fake_program("ldd", "echo '\tlibodd.so.1 => not found'")
    with pytest.raises(Misuse, match=r"/bin/sh: needs libraries that are not installed: libodd.so.1"):
        Initramfs().add_program_with_libraries(Path("/bin/sh"))


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(Misuse, match="/no/such: no such program"):
        Initramfs().add_program_with_libraries(Path("/no/such"))
