import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from guest.linux import debian
from guest.linux.errors import ToolFailed, ToolMissing
from guest.linux.rootfs import build_rootfs, find_rootfs
from guest.linux.rootfs.build import PACKAGES, RECIPE, recipe
from virtio.errors import Misuse

FakeProgram = Callable[[str, str], Path]

# The archive it leaves: a root with what must not stay, and a directory of devices.
MMDEBSTRAP = """
directory=$(dirname "$0")
printf '%s\\n' "$@" > "$directory/asked"
echo run >> "$directory/runs"
echo 'I: downloading packages with apt...'
echo 'Get:1 http://mirror.test/debian testing/main amd64 weston'
echo 'Unpacking weston (16.0.0-1) ...'
mkdir -p "$directory/made/etc/apt/apt.conf.d" "$directory/made/usr/bin" "$directory/made/dev"
cd "$directory/made"
touch etc/hostname etc/resolv.conf etc/apt/apt.conf.d/99mmdebstrap usr/bin/weston dev/null
while [ "$2" ]; do [ "$1" = testing ] && archive=$2; shift; done
tar -cf "$archive" .
"""


@pytest.fixture(autouse=True)
def machine(fake_program: FakeProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One where Debian's mirror and mmdebstrap are near, with settings of its own for apt."""
    fake_program("mmdebstrap", MMDEBSTRAP)
    fake_program("newuidmap", "")
    fake_program("apt-get", "echo 'http://mirror.test/debian Debian'")
    dump = 'Acquire::http::Proxy "http://proxy.test";\nAcquire::AllowInsecureRepositories "true";\n'
    fake_program("apt-config", f"cat <<'END'\n{dump}END")
    (tmp_path / "keyring.gpg").touch()
    monkeypatch.setattr(debian, "KEYRING", tmp_path / "keyring.gpg")


def asked(tmp_path: Path) -> list[str]:
    return (tmp_path / "bin" / "asked").read_text().splitlines()


def runs(tmp_path: Path) -> int:
    return len((tmp_path / "bin" / "runs").read_text().splitlines())


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_a_root_holds_the_packages_and_our_session(tmp_path: Path) -> None:
    root = build_rootfs()
    assert {"usr/bin/weston", "usr/libexec/scanout/session", "usr/local/bin/weston-desktop",
            "etc/xdg/weston/weston.ini"} < files(root)  # fmt: skip
    assert os.access(root / "usr/libexec/scanout/session", os.X_OK)
    assert not os.access(root / "etc/xdg/weston/weston.ini", os.X_OK)
    assert f"--include={','.join(PACKAGES)}" in asked(tmp_path)


def test_nothing_of_the_building_machine_stays(tmp_path: Path) -> None:
    found = files(build_rootfs())
    assert not {"etc/hostname", "etc/resolv.conf", "etc/apt/apt.conf.d/99mmdebstrap", "dev/null"} & found


def test_packages_are_verified_and_come_as_the_machines_apt_gets_them(tmp_path: Path) -> None:
    build_rootfs()
    words = asked(tmp_path)
    keyring = tmp_path / "keyring.gpg"
    assert words[-1] == f"deb [signed-by={keyring}] http://mirror.test/debian testing main"
    assert '--aptopt=Acquire::http::Proxy "http://proxy.test"' in words
    assert [word for word in words if "Insecure" in word] == [
        '--aptopt=Acquire::AllowInsecureRepositories "false"'
    ]


def test_a_root_is_built_once_and_found_again(tmp_path: Path) -> None:
    root = build_rootfs()
    assert build_rootfs() == find_rootfs() == root
    assert runs(tmp_path) == 1
    assert {path.name for path in root.parent.iterdir() if path.is_dir()} == {root.name}


def test_no_root_says_how_to_build_one() -> None:
    with pytest.raises(Misuse, match="scanout rootfs build"):
        find_rootfs()


def test_a_directory_of_ones_own(tmp_path: Path) -> None:
    target = tmp_path / "a" / "root"
    assert build_rootfs(target) == target
    assert (target / RECIPE).read_text() == recipe()
    assert [path.name for path in target.parent.iterdir()] == ["root"]
    assert build_rootfs(target) == target
    assert runs(tmp_path) == 1


def test_an_empty_directory_may_be_there_already(tmp_path: Path) -> None:
    target = tmp_path / "root"
    target.mkdir()
    assert "usr/bin/weston" in files(build_rootfs(target))


def test_a_foreign_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").touch()
    for taken in (tmp_path / "home", tmp_path / "home" / "letter"):
        with pytest.raises(Misuse, match="in use; give a directory that is empty"):
            build_rootfs(taken)
    assert files(tmp_path / "home") == {"letter"}


def test_progress_grows_with_the_packages() -> None:
    told: list[tuple[str, float | None]] = []
    build_rootfs(progress=lambda stage, fraction=None: told.append((stage, fraction)))
    assert told == [("installing Debian's packages (testing)", None),
                    ("installing Debian's packages (testing)", 1 / 900),
                    ("installing Debian's packages (testing)", 2 / 900),
                    ("unpacking the root", None)]  # fmt: skip


def test_a_failure_says_why_and_leaves_nothing(fake_program: FakeProgram, cache: Path) -> None:
    fake_program("mmdebstrap", "echo 'E: invalid signature'; echo 'E: apt-get update failed'; exit 1")
    with pytest.raises(ToolFailed, match=r"installing Debian's packages \(testing\) failed: E: invalid"):
        build_rootfs()
    assert [path for path in (cache / "roots").iterdir() if path.is_dir()] == []


@pytest.mark.usefixtures("no_programs")
def test_what_is_missing_is_named() -> None:
    with pytest.raises(ToolMissing, match="apt-get install mmdebstrap"):
        build_rootfs()


def test_an_interrupt_leaves_nothing_of_what_was_under_way(
    fake_program: FakeProgram, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(stage: str, fraction: float | None = None) -> None:
        if fraction:
            raise KeyboardInterrupt

    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    fake_program("mmdebstrap", 'touch "$TMPDIR/half"; echo "Get:1 x"; exec sleep 1000')
    with pytest.raises(KeyboardInterrupt):
        build_rootfs(progress=interrupt)
    assert list((tmp_path / "tmp").iterdir()) == []
    assert [path for path in (cache / "roots").iterdir() if path.is_dir()] == []
