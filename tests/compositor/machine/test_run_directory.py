"""What a killed run left is removed by the next, and nothing else is."""

import fcntl
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from compositor.machine.run_directory import run_directory, sweep

_KILLED = """
import os, signal
from compositor.machine.run_directory import run_directory

with run_directory() as directory:
    (directory / "guest").mkdir()
    (directory / "guest" / "initrd").write_text("x")
    print(directory, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def killed() -> Path:
    """The directory of a run that was killed."""
    done = subprocess.run([sys.executable, "-c", _KILLED], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    return Path(done.stdout.strip())


def test_a_run_removes_its_own(temporary: Path) -> None:
    with run_directory() as directory:
        assert directory.parent == temporary
        (directory / "gpu").write_text("x")
    assert list(temporary.iterdir()) == []


def test_the_next_run_removes_what_a_killed_one_left(temporary: Path) -> None:
    left = killed()
    assert (left / "guest" / "initrd").exists()
    with run_directory() as directory:
        assert list(temporary.iterdir()) == [directory]


def test_what_lives_stays(temporary: Path) -> None:
    with run_directory() as one, run_directory() as other:
        sweep()
        assert sorted(temporary.iterdir()) == sorted([one, other])


def test_what_is_not_a_runs_stays(temporary: Path) -> None:
    others = [temporary / name for name in ("scanout-rootfs-1", "scanout-file", "scanout-link", "other")]
    others[0].mkdir()
    others[1].write_text("x")
    others[3].mkdir()
    (others[3] / ".owner").write_text("")
    others[2].symlink_to(others[3])
    sweep()
    assert sorted(temporary.iterdir()) == sorted(others)
    assert (others[3] / ".owner").exists()


def test_a_directory_that_is_being_made_is_not_taken_for_a_dead_one(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock

    def swept_before(file: int, how: int) -> None:
        if how == fcntl.LOCK_EX:
            sweep()
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", swept_before)
    with run_directory() as directory:
        assert list(temporary.iterdir()) == [directory]


def test_another_users_stays(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = killed()
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    sweep()
    assert left.exists()
