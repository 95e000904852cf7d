import os
from pathlib import Path

import pytest

from guest.linux import payload
from guest.linux.kernel import Module
from guest.linux.options import GuestOptions
from guest.linux.payload import build_initrd
from virtio.errors import Misuse


@pytest.fixture(autouse=True)
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_program(name: str, architecture: str) -> Path:
        path = tmp_path / name
        path.write_text(f"program {name} for {architecture}")
        return path

    monkeypatch.setattr(payload, "compile_program", compile_program)


def contents(archive: bytes) -> bytes:
    return archive


def test_a_command_of_the_guest() -> None:
    archive = contents(build_initrd(GuestOptions(command=("/bin/sh", "-c", "echo 'a  b'")), "x86_64"))
    assert b"scanout/init\0" in archive
    assert b"program init for x86_64" in archive
    assert b"/bin/sh\0-c\0echo 'a  b'\0" in archive


def test_a_program_that_ships_is_put_in() -> None:
    archive = contents(build_initrd(GuestOptions(command=("pageflip", "--frames", "3")), "aarch64"))
    assert b"program pageflip for aarch64" in archive
    assert b"/scanout/pageflip\0--frames\x003\0" in archive


@pytest.mark.parametrize(("root", "place"), [(None, b"/scanout"), (Path("/r"), b"/run/scanout")])
def test_a_session_has_the_agent_and_all_programs(root: Path | None, place: bytes) -> None:
    archive = contents(build_initrd(GuestOptions(session=True), "x86_64", root=root, line="/dev/ttyS7"))
    for name in (b"init", b"agent", b"pageflip", b"pattern", b"hotplug"):
        assert b"program %s for x86_64" % name in archive
    assert place + b"/agent\0/dev/ttyS7\0" in archive


def test_modules_keep_their_order_and_parameters(tmp_path: Path) -> None:
    paths = [tmp_path / "b.ko", tmp_path / "a.ko"]
    for path in paths:
        path.write_text(f"module {path.name}")
    modules = [Module(paths[0]), Module(paths[1], "x=1 y")]
    archive = contents(build_initrd(GuestOptions(command=("/x",)), "x86_64", modules=modules))
    assert b"/scanout/modules.d/b.ko \n/scanout/modules.d/a.ko x=1 y\n" in archive
    assert b"module a.ko" in archive


@pytest.mark.parametrize(("writable", "word"), [(False, b"ro"), (True, b"rw")])
def test_a_root_of_the_host(tmp_path: Path, writable: bool, word: bytes) -> None:
    options = GuestOptions(command=("/x",))
    archive = contents(build_initrd(options, "x86_64", root=tmp_path, writable=writable))
    assert word + b" " + str(tmp_path).encode() in archive


def test_a_users_own_archive_comes_first_and_whole(tmp_path: Path) -> None:
    own = tmp_path / "own.cpio"
    own.write_bytes(b"12345")
    archive = build_initrd(GuestOptions(command=("/x",), initrd=own), "x86_64")
    assert archive.startswith(b"12345\0\0\x00070701")


def test_without_a_command_the_users_init_runs(tmp_path: Path) -> None:
    own = tmp_path / "own.cpio"
    own.write_bytes(b"1234")
    archive = build_initrd(GuestOptions(initrd=own), "x86_64")
    assert b"scanout/init" not in contents(archive[4:])


def test_an_archive_that_is_a_fifo_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(Misuse, match="fifo: not a regular file"):
        build_initrd(GuestOptions(initrd=tmp_path / "fifo"), "x86_64")


def test_an_archive_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match=r"no.cpio: No such file"):
        build_initrd(GuestOptions(initrd=tmp_path / "no.cpio"), "x86_64")


def test_an_argument_with_a_zero_byte_cannot_be_carried() -> None:
    with pytest.raises(Misuse, match="zero byte"):
        build_initrd(GuestOptions(command=("/x", "a\0b")), "x86_64")
