import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from guest.linux import compiler
from guest.linux.compiler import PROGRAMS, SOURCES, compile_program
from guest.linux.errors import ToolFailed, ToolMissing

FakeProgram = Callable[[str, str], Path]

# Writes its arguments to the file after -o, and counts its runs.
CC = """
echo run >> "$(dirname "$0")/runs"
arguments="$*"
while [ "$1" != -o ]; do shift; done
echo "$arguments" > "$2"
"""


@pytest.fixture(autouse=True)
def headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "include"
    directory.mkdir()
    (directory / "drm.h").touch()
    monkeypatch.setattr(compiler, "_DRM_HEADERS", (tmp_path / "none", directory))
    return directory


def test_every_program_has_its_source() -> None:
    assert all((SOURCES / f"{name}.c").is_file() for name in ("init", *PROGRAMS))


def test_a_program_is_compiled_once(fake_program: FakeProgram, headers: Path, cache: Path) -> None:
    compiler_path = fake_program("cc", CC)
    first = compile_program("pageflip")
    assert compile_program("pageflip") == first
    assert first.parent == cache / "programs"
    assert (compiler_path.parent / "runs").read_text() == "run\n"
    arguments = first.read_text().split()
    assert {"-static", "-Wall", "-Wextra", "-Werror", f"-I{headers}"} <= set(arguments)
    assert arguments[-2:] == [str(SOURCES / "pageflip.c"), str(SOURCES / "kms.c")]


def test_init_needs_nothing_but_itself(fake_program: FakeProgram) -> None:
    fake_program("cc", CC)
    assert str(SOURCES / "kms.c") not in compile_program("init").read_text()


def test_a_changed_source_is_compiled_again(
    fake_program: FakeProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_program("cc", CC)
    (tmp_path / "src").mkdir()
    monkeypatch.setattr(compiler, "SOURCES", tmp_path / "src")
    (tmp_path / "src" / "init.c").write_text("one")
    one = compile_program("init")
    (tmp_path / "src" / "init.c").write_text("two")
    assert compile_program("init") != one


def test_another_architecture_has_its_own_compiler_and_file(fake_program: FakeProgram) -> None:
    other = "aarch64" if platform.machine() != "aarch64" else "x86_64"
    fake_program("cc", CC)
    fake_program(f"{other}-linux-gnu-gcc", CC)
    assert compile_program("init", other) != compile_program("init")


def test_a_missing_compiler_names_its_package(no_programs: None) -> None:
    with pytest.raises(ToolMissing, match=r"cc: not installed; on Debian: sudo apt-get install gcc$"):
        compile_program("init")


def test_missing_kernel_headers_name_their_package(
    fake_program: FakeProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_program("cc", CC)
    monkeypatch.setattr(compiler, "_DRM_HEADERS", ())
    with pytest.raises(ToolMissing, match=r"drm.h: .*apt-get install libdrm-dev$"):
        compile_program("pageflip")


@pytest.mark.parametrize(
    "said",
    [
        "init.c:16:10: fatal error: dirent.h: No such file or directory",
        "/usr/bin/ld: cannot find -lc: No such file or directory\ncollect2: error: ld returned 1 exit status",
    ],
)
def test_a_missing_c_library_names_its_package(fake_program: FakeProgram, said: str) -> None:
    fake_program("cc", f"echo '{said}'; exit 1")
    with pytest.raises(ToolMissing, match=r"apt-get install libc6-dev$"):
        compile_program("init")


def test_what_the_compiler_says_otherwise_is_passed_on(fake_program: FakeProgram) -> None:
    fake_program("cc", "echo 'init.c:1:1: error: odd'; exit 1")
    with pytest.raises(ToolFailed, match=r"compiling init.c failed: init.c:1:1: error: odd"):
        compile_program("init")
