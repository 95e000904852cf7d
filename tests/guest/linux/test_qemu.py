from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guest.linux import qemu
from guest.linux.errors import ToolMissing
from guest.linux.kernel import Module, StockKernel
from guest.linux.options import QemuOptions
from guest.linux.qemu import QemuProcess, command_line, find_qemu
from virtio.errors import Misuse

FakeProgram = Callable[[str, str], Path]
OPTIONS = QemuOptions(command=("pattern",))


def value(line: Sequence[str], option: str) -> str:
    return line[line.index(option) + 1]


def test_guest_memory_is_shared_with_the_device() -> None:
    line = command_line(replace(OPTIONS, memory=300), Path("/k"), gpu=True)
    assert value(line, "-object") == "memory-backend-memfd,id=memory,size=300M,share=on"
    assert value(line, "-machine") == "q35,memory-backend=memory"
    assert value(line, "-m") == "300M"


def test_the_display_is_ours_and_the_only_one() -> None:
    line = command_line(OPTIONS, Path("/k"), gpu=True)
    assert "socket,id=gpu,path=gpu.sock" in line
    assert "vhost-user-gpu-pci,chardev=gpu" in line
    assert (value(line, "-vga"), value(line, "-display")) == ("none", "none")


def test_without_a_device_none_is_named() -> None:
    assert "vhost-user-gpu-pci,chardev=gpu" not in command_line(OPTIONS, Path("/k"), gpu=False)


@pytest.mark.parametrize(
    ("architecture", "machine", "console"), [("x86_64", "q35", "ttyS0"), ("aarch64", "virt", "ttyAMA0")]
)
def test_each_architecture_has_its_machine(architecture: str, machine: str, console: str) -> None:
    line = command_line(replace(OPTIONS, architecture=architecture), Path("/k"), gpu=True)
    assert value(line, "-machine").startswith(f"{machine},")
    assert f"console={console}" in value(line, "-append")


def test_arm_has_vectors() -> None:
    line = command_line(replace(OPTIONS, architecture="aarch64"), Path("/k"), gpu=True)
    assert value(line, "-cpu") == "max,sve256=on"


def test_a_command_runs_from_our_archive_and_an_own_init_otherwise() -> None:
    assert "rdinit=/scanout/init" in value(command_line(OPTIONS, Path("/k"), gpu=True), "-append")
    own = replace(OPTIONS, command=(), initrd=Path("own"))
    assert "rdinit" not in value(command_line(own, Path("/k"), gpu=True), "-append")


def test_arguments_of_ones_own_come_last() -> None:
    options = replace(OPTIONS, qemu_arguments=("-device", "usb-tablet"), kernel_arguments=("quiet",))
    line = command_line(options, Path("/k"), gpu=True)
    assert line[-2:] == ["-device", "usb-tablet"]
    assert "quiet" in value(line, "-append").split()


@pytest.mark.parametrize(
    ("version", "accelerator", "fine"),
    [
        ("10.0.2 (Debian 1:10.0.2)", "tcg", True),
        ("11.1.0", "tcg", True),
        ("7.2.22", "kvm", True),
        ("7.2.22", "tcg", False),
    ],
)
def test_old_versions_need_kvm(version: str, accelerator: str, fine: bool, fake_program: FakeProgram) -> None:
    fake_program("qemu-system-x86_64", f"echo 'QEMU emulator version {version}'; echo Copyright")
    if fine:
        assert find_qemu("x86_64", accelerator) == "qemu-system-x86_64"
        return
    with pytest.raises(ToolMissing) as caught:
        find_qemu("x86_64", accelerator)
    assert str(caught.value) == (
        "qemu-system-x86_64 7.2 serves vhost-user-gpu with KVM only, 10.0 without; "
        "on Debian 12: sudo apt-get install -t bookworm-backports qemu-system-x86"
    )


def test_a_machine_without_qemu(no_programs: None) -> None:
    with pytest.raises(
        ToolMissing, match=r"qemu-system-aarch64: not installed; .*apt-get install qemu-system-arm"
    ):
        find_qemu("aarch64")


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What would have been started, on a machine with QEMU and Debian's kernel."""
    (tmp_path / "image").touch()
    (tmp_path / "drm.ko").write_text("module")
    stock = StockKernel(tmp_path / "image", (Module(tmp_path / "drm.ko"),))
    seen: list[str] = []

    async def launch(command: Sequence[str], **_: Any) -> None:
        seen.extend(command)

    def build_initrd(
        options: QemuOptions, architecture: str, *, modules: Sequence[Module], line: str
    ) -> bytes:
        assert line.startswith("/dev/")
        return f"{architecture} {len(modules)}".encode()

    monkeypatch.setattr(QemuProcess, "launch", launch)
    monkeypatch.setattr(qemu, "find_qemu", lambda architecture, _: f"qemu-{architecture}")
    monkeypatch.setattr(qemu, "stock_kernel", lambda _: stock)
    monkeypatch.setattr(qemu, "build_initrd", build_initrd)
    return seen


async def test_debians_kernel_comes_with_its_modules(launched: list[str], tmp_path: Path) -> None:
    workdir = tmp_path / "run"
    workdir.mkdir()
    await QemuProcess.start(OPTIONS, tmp_path / "device.sock", workdir)
    assert launched[0] == "qemu-x86_64"
    assert value(launched, "-kernel") == str(tmp_path / "image")
    assert (workdir / "initrd").read_bytes() == b"x86_64 1"
    assert (workdir / "gpu.sock").readlink() == tmp_path / "device.sock"


async def test_a_kernel_of_ones_own_comes_without(launched: list[str], tmp_path: Path) -> None:
    await QemuProcess.start(replace(OPTIONS, kernel=tmp_path / "image"), None, tmp_path)
    assert (tmp_path / "initrd").read_bytes() == b"x86_64 0"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (replace(OPTIONS, architecture="riscv64"), "architecture 'riscv64'; known are x86_64, aarch64"),
        (replace(OPTIONS, command=()), "nothing to run"),
        (replace(OPTIONS, kernel=Path("/no/such")), "/no/such: no such kernel image"),
    ],
)
async def test_bad_options(launched: list[str], tmp_path: Path, options: QemuOptions, message: str) -> None:
    with pytest.raises(Misuse, match=message):
        await QemuProcess.start(options, None, tmp_path)
    assert launched == []


def test_a_session_has_a_second_serial_line_on_standard_input() -> None:
    line = command_line(replace(OPTIONS, command=(), session=True), Path("/k"), gpu=True)
    serial = [line[at + 1] for at, word in enumerate(line) if word == "-serial"]
    assert serial == ["chardev:console", "chardev:agent"]
    assert "socket,id=agent,fd=0" in line
    assert "rdinit=/scanout/init" in value(line, "-append")
    assert "chardev:agent" not in command_line(OPTIONS, Path("/k"), gpu=True)
