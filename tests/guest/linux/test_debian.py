from collections.abc import Callable
from pathlib import Path

import pytest

from guest.linux import debian
from guest.linux.debian import Package, Suite, mirror, unpack
from guest.linux.errors import ToolFailed, ToolMissing

FakeProgram = Callable[[str, str], Path]

APT_GET = """
echo "$@" >> "$(dirname "$0")/calls"
case "$*" in
*indextargets*)
    echo 'http://security.test/debian Debian-Security'
    echo 'http://mirror.test/debian Debian'
    echo 'http://other.test/debian Debian' ;;
*download*)
    echo 'dlstatus:1:0.0000:Retrieving file 1 of 1'
    echo 'Get:1 http://mirror.test/debian sid/main amd64 hello'
    echo 'dlstatus:1:41.5000:Retrieving file 1 of 1'
    echo 'dlstatus:1:100.0000:Retrieving file 1 of 1'
    echo contents > hello_1.0_amd64.deb ;;
esac
"""
APT_CACHE = """
case "$*" in
*search*) printf 'linux-source-7.2 - Linux\\nlinux-source-7.10 - Linux\\n' ;;
*show*)
    printf 'Package: hello\\nVersion: 1:2.0-1\\nSize: 1234\\nDescription: greets\\n of: course\\n'
    printf 'Depends: linux-base (>= 4.3), kmod | module-init-tools, libc6:any\\n\\n'
    printf 'Package: hello\\nVersion: 1\\n' ;;
esac
"""


@pytest.fixture
def suite(fake_program: FakeProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    fake_program("apt-get", APT_GET)
    fake_program("apt-cache", APT_CACHE)
    (tmp_path / "keyring.gpg").touch()
    monkeypatch.setattr(debian, "KEYRING", tmp_path / "keyring.gpg")
    return Suite("sid", "arm64")


def test_the_mirror_is_the_machines(suite: Suite) -> None:
    assert mirror() == "http://mirror.test/debian"


@pytest.mark.parametrize("apt_get", ["exit 1", "echo http://mirror.test/ubuntu Ubuntu"])
def test_without_a_mirror_of_debian_one_has_to_be_named(
    apt_get: str, fake_program: FakeProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_program("apt-get", apt_get)
    with pytest.raises(ToolMissing, match="no mirror of Debian: set SCANOUT_DEBIAN_MIRROR"):
        mirror()
    monkeypatch.setenv("SCANOUT_DEBIAN_MIRROR", "http://other.test/debian")
    assert mirror() == "http://other.test/debian"


def test_the_newest_version_is_the_first_one_shown(suite: Suite) -> None:
    assert suite.newest("hello") == Package("hello", "1:2.0-1", 1234)


def test_dependencies_without_versions_and_alternatives(suite: Suite) -> None:
    assert suite.dependencies("hello") == ["linux-base", "kmod", "libc6"]


def test_searching_gives_names(suite: Suite) -> None:
    assert suite.matching("^linux-source") == ["linux-source-7.2", "linux-source-7.10"]


def test_fetching_tells_how_far_it_is(suite: Suite, tmp_path: Path) -> None:
    told: list[tuple[str, float | None]] = []
    suite._progress = lambda stage, fraction=None: told.append((stage, fraction))
    into = tmp_path / "into"
    into.mkdir()
    assert suite.fetch("hello", into) == into / "hello_1.0_amd64.deb"
    assert told == [("reading Debian's package list (sid)", None),
                    ("fetching hello", 0.0), ("fetching hello", 0.415), ("fetching hello", 1.0)]  # fmt: skip


def test_the_lists_are_read_once_and_nothing_of_the_system_is_touched(
    suite: Suite, cache: Path, tmp_path: Path
) -> None:
    suite.newest("hello")
    suite.newest("hello")
    root = cache / "apt" / "sid-arm64"
    calls = (tmp_path / "bin" / "calls").read_text().splitlines()
    assert [call for call in calls if "update" in call] == [f"-c {root}/apt.conf -q update"]
    configuration = (root / "apt.conf").read_text()
    for line in (f'Dir::State "{root}/state";', f'Dir::Cache "{root}/cache";', 'APT::Architecture "arm64";',
                 f'Dir::State::status "{root}/status";', 'APT::Update::Error-Mode "any";',
                 "#clear APT::Update::Post-Invoke;"):  # fmt: skip
        assert line in configuration
    assert (root / "sources" / "debian.sources").read_text() == (
        "Types: deb\nURIs: http://mirror.test/debian\nSuites: sid\nComponents: main\n"
        f"Signed-By: {tmp_path}/keyring.gpg\n"
    )


def test_signatures_need_debians_keys(suite: Suite, tmp_path: Path) -> None:
    (tmp_path / "keyring.gpg").unlink()
    with pytest.raises(ToolMissing, match="sudo apt-get install debian-archive-keyring"):
        suite.newest("hello")


def test_a_machine_without_apt(no_programs: None) -> None:
    with pytest.raises(ToolMissing, match="apt-get, apt-cache: not installed"):
        Suite("sid", "amd64").newest("hello")


def test_a_package_that_is_not_there(suite: Suite, fake_program: FakeProgram) -> None:
    fake_program("apt-cache", "echo 'E: No packages found'; exit 100")
    with pytest.raises(ToolFailed, match="looking for hello failed: E: No packages found"):
        suite.newest("hello")


def test_unpacking_runs_none_of_the_packages_scripts(fake_program: FakeProgram, tmp_path: Path) -> None:
    fake_program("dpkg-deb", 'echo "$@" > "$(dirname "$0")/calls"')
    unpack(tmp_path / "a.deb", tmp_path / "into")
    assert (tmp_path / "bin" / "calls").read_text() == f"-x {tmp_path}/a.deb {tmp_path}/into\n"
