import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from guest.linux.debian import Package, Suite
from guest.linux.errors import KernelUnusable, ToolFailed, ToolMissing
from guest.linux.kernel import build, build_kernel, find
from guest.linux.kernel.find import CONFIG, PATCH, recipe

FakeProgram = Callable[[str, str], Path]
MAKEFILE = "# SPDX\nVERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 13\n"

# Notes each target; "linux" compiles two objects and leaves a kernel.
MAKE = """
echo "$@" >> "$(dirname "$0")/made"
case "$*" in *linux)
    echo '  CC      init/main.o'
    echo '  LD      vmlinux'
    echo '  CC      init/version.o'
    printf '#!/bin/sh\\necho 7.2.13\\n' > "$2/linux"; chmod +x "$2/linux"
esac
"""


@pytest.fixture
def machine(fake_program: FakeProgram, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine where all is installed, and where a script stands for a kernel. Returns the log of make."""
    if shutil.which("patch") is None:
        pytest.skip("needs patch")
    for name in ("gcc", "flex", "bison", "bc", "xz", "ld", "strip"):
        fake_program(name, "exit 0")
    fake_program("make", MAKE)
    monkeypatch.setattr(find, "_ELF", b"#!/b")
    return tmp_path / "bin" / "made"


def kernel_tree(path: Path) -> Path:
    """A tree with just the files that our patch changes, as they are before it."""
    (path / "arch" / "um").mkdir(parents=True)
    (path / "scripts" / "kconfig").mkdir(parents=True)
    (path / "scripts" / "kconfig" / "merge_config.sh").write_text('cp "$3" merged\n')
    (path / "Makefile").write_text(MAKEFILE)
    for name, lines in _before(PATCH.read_text()).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("".join(lines))
    return path


def _before(patch: str) -> dict[str, list[str]]:
    """The old side of each hunk, at its line; what lies between is made up."""
    files: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in patch.splitlines(keepends=True):
        if line.startswith("--- a/"):
            lines = files.setdefault(line[6:].strip(), [])
        elif line.startswith("@@"):
            start = int(line.split()[1].split(",")[0][1:])
            lines += [f"line {i}\n" for i in range(len(lines) + 1, start)]
        elif files and line[0] in " -" and not line.startswith("---"):
            lines.append(line[1:])
        elif files and line == "\n":
            lines.append(line)
    return files


def test_a_tree_of_ones_own_is_built_and_kept(machine: Path, tmp_path: Path, cache: Path) -> None:
    source = kernel_tree(tmp_path / "source")
    told: list[tuple[str, float | None]] = []
    built = build_kernel(source, lambda stage, fraction=None: told.append((stage, fraction)))
    assert built == cache / "kernels" / f"linux-7.2.13-local-{recipe()}"
    assert subprocess.run([built], capture_output=True, check=True).stdout == b"7.2.13\n"
    targets = [line.split("ARCH=um ")[1] for line in machine.read_text().splitlines()]
    assert targets[:3] == ["mrproper", "tinyconfig", "olddefconfig"]
    assert targets[3].startswith("-j")
    assert targets[3].endswith(" linux")
    assert [stage for stage, _ in told] == [
        "copying the source", "configuring the kernel", "building the kernel", "building the kernel"
    ]  # fmt: skip
    assert told[-1][1] == 2 / build._STEPS
    assert [path.name for path in built.parent.iterdir() if path.is_dir()] == []


def test_the_tree_itself_is_never_written_to(machine: Path, tmp_path: Path) -> None:
    source = kernel_tree(tmp_path / "source")
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    build_kernel(source)
    assert {path: path.read_bytes() for path in source.rglob("*") if path.is_file()} == before


def test_our_patch_and_configuration_are_in_the_copy(
    machine: Path, fake_program: FakeProgram, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    fake_program("make", f'case "$*" in *linux) cp -r "$2" {kept};; esac\n{MAKE}')
    build_kernel(kernel_tree(tmp_path / "source"))
    assert "tt_syscall_ns" in (kept / "arch/um/kernel/skas/syscall.c").read_text()
    assert (kept / "merged").read_text() == CONFIG.read_text()


def test_a_tree_that_has_our_patch_already(machine: Path, tmp_path: Path) -> None:
    source = kernel_tree(tmp_path / "source")
    subprocess.run(["patch", "-p1", "-s", "-d", source, "-i", PATCH], check=True)
    build_kernel(source)


def test_a_tree_that_our_patch_does_not_fit(machine: Path, tmp_path: Path) -> None:
    source = kernel_tree(tmp_path / "source")
    (source / "arch/um/kernel/trap.c").write_text("all new\n")
    with pytest.raises(ToolFailed, match=r"applying determinism.patch, made for Linux 7.2, failed"):
        build_kernel(source)


def test_a_directory_that_is_no_kernel_tree(machine: Path, tmp_path: Path) -> None:
    with pytest.raises(KernelUnusable, match="not a Linux source tree"):
        build_kernel(tmp_path)
    (tmp_path / "Makefile").write_text("all:\n")
    with pytest.raises(KernelUnusable, match="not a Linux source tree with arch/um"):
        build_kernel(tmp_path)


def test_a_compiler_error_ends_it_and_leaves_nothing(
    machine: Path, fake_program: FakeProgram, tmp_path: Path, cache: Path
) -> None:
    fake_program("make", 'case "$*" in *linux) echo "a.c:1: error: odd"; exit 2; esac')
    with pytest.raises(ToolFailed, match=r"building the kernel failed: a.c:1: error: odd"):
        build_kernel(kernel_tree(tmp_path / "source"))
    assert [path.name for path in (cache / "kernels").iterdir() if not path.name.endswith(".lock")] == []


def test_debians_newest_source(machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel_tree(tmp_path / "linux-source-7.10")
    fetched: list[str] = []

    class Archive(Suite):
        def matching(self, pattern: str) -> list[str]:
            return ["linux-source-7.2", "linux-source-7.10"]

        def newest(self, package: str) -> Package:
            return Package(package, "7.10.1-1", 1)

        def fetch(self, package: str, into: Path) -> Path:
            fetched.append(package)
            return into / "source.deb"

    def unpack(deb: Path, into: Path) -> None:
        (into / "usr" / "src").mkdir(parents=True)
        made = shutil.make_archive(str(tmp_path / "made"), "gztar", tmp_path, "linux-source-7.10")
        # tar looks at the contents, and not every machine has xz.
        Path(made).rename(into / "usr" / "src" / "linux-source-7.10.tar.xz")

    monkeypatch.setattr(build, "Suite", Archive)
    monkeypatch.setattr(build, "unpack", unpack)
    built = build_kernel()
    assert built.name == f"linux-7.10.1-1-{recipe()}"
    assert build_kernel() == built
    assert fetched == ["linux-source-7.10"]


def test_a_suite_without_kernel_sources(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Empty(Suite):
        def matching(self, pattern: str) -> list[str]:
            return []

    monkeypatch.setattr(build, "Suite", Empty)
    with pytest.raises(
        ToolFailed, match="Debian sid has no linux-source package; give a source tree: --source DIR"
    ):
        build_kernel()


def test_missing_tools_are_named_before_anything_is_fetched(no_programs: None) -> None:
    with pytest.raises(ToolMissing, match=r"gcc, make, flex, bison, bc, .*sudo apt-get install"):
        build_kernel()
