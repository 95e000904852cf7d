import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guest.linux import uml
from guest.linux.options import UmlOptions, VirtualTime, guest_seed
from guest.linux.uml import UmlProcess, kernel_command_line
from virtio.errors import Misuse

OPTIONS = UmlOptions(kernel=Path("/k/linux"), command=("/bin/true",))


class Launched:
    command: Sequence[str]
    environment: Mapping[str, str]


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Launched:
    """What would have been started."""
    seen = Launched()

    async def launch(command: Sequence[str], **rest: Any) -> None:
        seen.command, seen.environment = command, rest["environment"]

    monkeypatch.setattr(UmlProcess, "launch", launch)
    monkeypatch.setattr(uml, "check_kernel", lambda path: path)
    monkeypatch.setattr(uml, "build_initrd", lambda *_, **__: b"archive")
    return seen


def test_a_command_runs_from_our_archive() -> None:
    line = kernel_command_line(OPTIONS, gpu=True)
    assert "virtio_uml.device=gpu.sock:16" in line
    assert "initrd=initrd" in line
    assert "rdinit=/scanout/init" in line
    assert "mem=256M" in line


def test_without_a_device_none_is_named() -> None:
    assert not [word for word in kernel_command_line(OPTIONS, gpu=False) if "virtio" in word]


def test_a_users_archive_runs_its_own_init() -> None:
    line = kernel_command_line(replace(OPTIONS, command=(), initrd=Path("own")), gpu=True)
    assert "initrd=initrd" in line
    assert not [word for word in line if word.startswith("rdinit")]


@pytest.mark.parametrize(("writable", "access"), [(False, "ro"), (True, "rw")])
def test_a_root_without_a_command_runs_its_own_init(tmp_path: Path, writable: bool, access: str) -> None:
    line = kernel_command_line(replace(OPTIONS, command=(), root=tmp_path, writable=writable), gpu=True)
    assert line[-4:] == ["root=/dev/root", "rootfstype=hostfs", f"rootflags={tmp_path}", access]
    assert not [word for word in line if word.startswith("initrd")]


def test_kernel_arguments_of_ones_own_come_last() -> None:
    assert kernel_command_line(replace(OPTIONS, kernel_arguments=("um_seed=1", "x")), gpu=True)[-2:] == [
        "um_seed=1",
        "x",
    ]


def test_nothing_to_run() -> None:
    with pytest.raises(Misuse, match="nothing to run"):
        kernel_command_line(replace(OPTIONS, command=()), gpu=True)


async def test_the_command_line_is_the_same_wherever_the_run_lies(launched: Launched, tmp_path: Path) -> None:
    lines = []
    for name in ("one", "two"):
        workdir = tmp_path / name
        workdir.mkdir()
        await UmlProcess.start(OPTIONS, tmp_path / f"{name}.sock", workdir)
        lines.append(launched.command)
        assert (workdir / "initrd").read_bytes() == b"archive"
        assert (workdir / "gpu.sock").readlink() == tmp_path / f"{name}.sock"
    assert lines[0] == lines[1]


async def test_memory_lies_where_there_is_room(launched: Launched, tmp_path: Path) -> None:
    await UmlProcess.start(OPTIONS, None, tmp_path)
    assert launched.environment["TMPDIR"] in ("/dev/shm", tempfile.gettempdir())


async def test_more_memory_than_there_is_room_for(launched: Launched, tmp_path: Path) -> None:
    with pytest.raises(Misuse, match=r"no room for the guest's 999999999 MiB .*; give it less with --memory"):
        await UmlProcess.start(replace(OPTIONS, memory=999999999), None, tmp_path)


async def test_a_root_that_is_no_directory(launched: Launched, tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="no: the guest's root is not a directory"):
        await UmlProcess.start(replace(OPTIONS, root=tmp_path / "no"), None, tmp_path)


def test_virtual_time_is_on_the_command_line_without_any_path() -> None:
    time = VirtualTime(Path("/run/calendar"), seed=0xAB)
    line = kernel_command_line(UmlOptions(kernel=Path("/k"), command=("pageflip",)), gpu=True, time=time)
    assert {"time-travel=ext:time.sock", "tt_syscall_ns=1000", "um_seed=0xab", "norandmaps"} <= set(line)
    assert "seccomp=on" in line
    assert not any("/run" in argument for argument in line)


def test_guests_of_one_machine_have_seeds_of_their_own() -> None:
    seeds = {guest_seed(seed, index) for seed in range(20) for index in range(4)}
    assert len(seeds) == 80
    assert all(0 < seed < 1 << 63 for seed in seeds)
    assert guest_seed(0, 0) == guest_seed(0, 0)


def test_a_session_has_a_line_to_its_agent_beside_the_console() -> None:
    line = kernel_command_line(UmlOptions(kernel=Path("/k"), session=True), gpu=True)
    assert {"con0=null,fd:1", "ssl0=fd:0,fd:0", "rdinit=/scanout/init", "initrd=initrd"} <= set(line)
    assert "con0=fd:0,fd:1" not in line
    assert not [word for word in kernel_command_line(OPTIONS, gpu=True) if word.startswith("ssl0")]
