import os
import shutil
from pathlib import Path

import pytest

from guest.linux.errors import KernelUnusable
from guest.linux.kernel import check_kernel, check_repeatable, find, find_kernel
from guest.linux.kernel.find import kernels_dir, recipe


@pytest.fixture
def scripts_are_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a shell script stand for a kernel."""
    monkeypatch.setattr(find, "_ELF", b"#!/b")


def kernel(path: Path, answer: str = "echo 7.2.13") -> Path:
    path.write_text(f"#!/bin/sh\n{answer}\n")
    path.chmod(0o755)
    return path


def test_a_kernel_that_says_its_release(tmp_path: Path, scripts_are_programs: None) -> None:
    path = kernel(tmp_path / "linux", '[ "$1" = --version ] && echo 6.18.0-rc3+')
    assert check_kernel(path) == path


def test_the_path_comes_back_absolute(
    tmp_path: Path, scripts_are_programs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel(tmp_path / "linux")
    monkeypatch.chdir(tmp_path)
    assert check_kernel(Path("linux")) == tmp_path / "linux"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KernelUnusable, match="linux: No such file or directory"):
        check_kernel(tmp_path / "linux")


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(KernelUnusable, match="Is a directory"):
        check_kernel(tmp_path)


def test_a_fifo_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "linux")
    with pytest.raises(KernelUnusable, match="linux: not a regular file"):
        check_kernel(tmp_path / "linux")


def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "vmlinuz").write_bytes(b"MZ" + bytes(1000))
    with pytest.raises(
        KernelUnusable, match=r"not a UML kernel \(not an ELF program\); .*scanout kernel build"
    ):
        check_kernel(tmp_path / "vmlinuz")


def test_another_program() -> None:
    ls = shutil.which("ls")
    assert ls is not None
    with pytest.raises(KernelUnusable, match="not a UML kernel; give one built with ARCH=um"):
        check_kernel(Path(ls))


def test_a_program_that_may_not_be_run(tmp_path: Path, scripts_are_programs: None) -> None:
    kernel(tmp_path / "linux").chmod(0o644)
    with pytest.raises(KernelUnusable, match=r"not executable; chmod \+x it"):
        check_kernel(tmp_path / "linux")


def test_a_program_for_another_machine(tmp_path: Path) -> None:
    path = tmp_path / "linux"
    path.write_bytes(b"\x7fELF" + bytes(100))
    path.chmod(0o755)
    with pytest.raises(KernelUnusable, match="cannot run it"):
        check_kernel(path)


@pytest.mark.parametrize(
    "answer", ["exec sleep 1000", "echo 7.2.13; exit 1", "echo 'ls (coreutils) 9.1'", "true"]
)
def test_a_program_that_answers_otherwise_or_never(
    answer: str, tmp_path: Path, scripts_are_programs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "_PATIENCE_S", 0.3)
    with pytest.raises(KernelUnusable, match="not a UML kernel"):
        check_kernel(kernel(tmp_path / "linux", answer))


def test_the_kernel_asked_for_wins(
    tmp_path: Path, scripts_are_programs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCANOUT_UML_KERNEL", str(kernel(tmp_path / "environment")))
    assert find_kernel(kernel(tmp_path / "asked")).name == "asked"
    assert find_kernel().name == "environment"


def test_a_wrong_environment_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANOUT_UML_KERNEL", str(tmp_path / "no"))
    with pytest.raises(KernelUnusable, match=r"SCANOUT_UML_KERNEL: .*/no: No such file"):
        find_kernel()


def test_the_last_one_built_of_our_recipe(scripts_are_programs: None) -> None:
    for age, name in enumerate(
        [f"linux-7.3-{recipe()}", f"linux-7.2-{recipe()}", "linux-7.4-0123456789abcdef"]
    ):
        path = kernel(kernels_dir() / name)
        os.utime(path, (1000 - age, 1000 - age))
    assert find_kernel().name == f"linux-7.3-{recipe()}"


def test_without_any_the_way_to_one_is_said() -> None:
    with pytest.raises(KernelUnusable, match="no UML kernel; build one with: scanout kernel build"):
        find_kernel()


def test_a_kernel_without_our_patch_cannot_have_virtual_time(tmp_path: Path) -> None:
    path = tmp_path / "linux"
    path.write_bytes(b"...tt_syscall_ns=\0um_seed=\0...")
    check_repeatable(path)
    path.write_bytes(b"...um_seed=\0...")
    with pytest.raises(
        KernelUnusable, match=r"does not know tt_syscall_ns= and um_seed=.* scanout kernel build"
    ):
        check_repeatable(path)
