"""Programs that are started: they hang, crash, end, and never stay behind."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compositor.conform.check import REGISTER
from compositor.conform.checks import load
from compositor.conform.suite import Verdict, play
from compositor.conform.target import ListeningTarget, SpawnedTarget
from compositor.errors import BadInput

load()

FAKES = Path(__file__).with_name("fakes.py")
FIRST, SECOND = "features/version-1-is-offered", "protocol/features-stay-the-same"
RECONNECTS = "reset/a-new-connection-is-a-new-device"


@pytest.fixture
def spawned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], SpawnedTarget]]:
    """Targets that run a fake; afterwards neither process nor file is left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    targets: list[SpawnedTarget] = []

    def make(how: str) -> SpawnedTarget:
        targets.append(SpawnedTarget(f"{sys.executable} -S {FAKES} {{socket}} {how}"))
        return targets[-1]

    yield make
    for target in targets:
        target.close()
    assert list(tmp_path.iterdir()) == []
    assert not processes_with(str(FAKES))


def processes_with(word: str) -> list[int]:
    """Processes whose command line has a word in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if word.encode() in words:
                found.append(int(entry.name))
    return found


def judge(target: SpawnedTarget, *names: str, seconds: float = 20.0) -> list[Verdict]:
    return list(play([REGISTER[name] for name in names], target, seconds))


def test_a_device_in_order_is_started_once(spawned: Callable[[str], SpawnedTarget]) -> None:
    target = spawned("right")
    assert [v.outcome for v in judge(target, FIRST, SECOND, FIRST)] == ["pass"] * 3
    assert len(processes_with(str(FAKES))) == 1


def test_a_crash_fails_its_check_and_the_suite_goes_on(spawned: Callable[[str], SpawnedTarget]) -> None:
    first, second = judge(spawned("crashes"), FIRST, SECOND)
    assert (first.outcome, second.outcome) == ("fail", "fail")
    assert "died by SIGSEGV: fake: about to crash" in first.reason
    assert "died by SIGSEGV" in second.reason  # by a fresh one


def test_a_hang_fails_its_check_and_the_suite_goes_on(spawned: Callable[[str], SpawnedTarget]) -> None:
    verdicts = judge(spawned("silent"), FIRST, SECOND, seconds=1.0)
    assert [v.outcome for v in verdicts] == ["fail", "fail"]
    assert all(v.reason == "the answer to GET_FEATURES: nothing within 1 s" for v in verdicts)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("hangs-up", "closed the connection"),
        ("babbles", "what the device sends is no message: request 4294967295: message version 3, expected 1"),
        ("chatters", "messages without being asked"),
        ("fails-at-the-end", "the device ended with exit status 1: fake: three is no exit status of success"),
    ],
)
def test_what_else_fails(how: str, reason: str, spawned: Callable[[str], SpawnedTarget]) -> None:
    (verdict,) = judge(spawned(how), FIRST)
    assert verdict.outcome == "fail"
    assert reason in verdict.reason


def test_a_device_may_end_with_its_connection(spawned: Callable[[str], SpawnedTarget]) -> None:
    verdicts = judge(spawned("serves-one"), FIRST, SECOND, FIRST)
    assert [v.outcome for v in verdicts] == ["pass"] * 3


def test_a_device_that_never_listens_fails_everything(spawned: Callable[[str], SpawnedTarget]) -> None:
    for verdict in judge(spawned("never-listens"), FIRST, SECOND):
        assert verdict.outcome == "fail"
        assert verdict.reason == "the device was started, and never listened: fake: no room for a socket"


def test_a_device_that_does_not_listen_to_sigterm_is_killed(
    spawned: Callable[[str], SpawnedTarget], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compositor.conform.target._GRACE_S", 0.1)
    target = spawned("deaf-to-sigterm")
    assert judge(target, FIRST)[0].outcome == "pass"
    assert processes_with("98765")  # started by the device
    target.close()
    for _ in range(1000):  # the kernel takes a moment to carry a SIGKILL out
        if not processes_with("98765"):
            break
    assert not processes_with("98765")


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("device --listen here", "write {socket} where the path of the socket belongs"),
        ("no-such-program {socket}", "there is no program 'no-such-program'"),
        ("device 'open {socket}", "No closing quotation"),
        ("", "write {socket}"),
    ],
)
def test_a_command_that_cannot_be_is_refused(command: str, reason: str) -> None:
    with pytest.raises(BadInput) as error:
        SpawnedTarget(command)
    assert reason in str(error.value)


def test_a_path_without_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no socket; start the device first"):
        ListeningTarget(tmp_path)
