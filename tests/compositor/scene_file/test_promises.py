"""`scanout run hostile`: every fault of the catalogue, and exit status 1 when a promise is broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compositor.cli import main
from compositor.scene_file import builtin
from compositor.scene_file.schema import InjectFault
from guest.faults import FAULTS
from virtio.gpu.device import GpuDevice
from virtio.gpu.limits import Ledger
from virtio.ring.split import SplitQueue

Run = Callable[[], tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)

    def call() -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main(["run", "hostile"])
        return int(end.value.code or 0), capsys.readouterr().err

    return call


def test_the_scene_commits_every_fault_of_the_catalogue() -> None:
    committed = [event.fault for event in builtin("hostile")._events if isinstance(event, InjectFault)]
    assert sorted(committed) == sorted(FAULTS)


def test_every_promise_is_kept(run: Run) -> None:
    status, err = run()
    assert status == 0, err
    assert "looped-chain: the device needs a reset: chain 63: it loops" in err


def broken(monkeypatch: pytest.MonkeyPatch, run: Run, where: str, what: Any) -> str:
    """The last line of a run in which something was replaced, and which fails."""
    monkeypatch.setattr(where, what)
    status, err = run()
    assert status == 1
    return err.splitlines()[-1]


def test_a_fault_that_is_allowed_is_a_broken_promise(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    line = broken(monkeypatch, run, "virtio.gpu.commands.scanouts.SMALLEST_SIDE", 1)
    assert line.startswith("scanout: broken promises: hostile: scanout-too-small: OK_NODATA")
    assert "the specification wants ERR_INVALID_PARAMETER" in line


def test_a_ring_that_is_refused_for_another_reason_is_a_broken_promise(
    monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    fault = FAULTS["looped-chain"]
    monkeypatch.setitem(FAULTS, fault.name, replace(fault, reason="is made available again"))
    status, err = run()
    assert status == 1
    assert 'the reason should be "is made available again"' in err.splitlines()[-1]


def test_a_fault_that_breaks_the_device_ends_the_guest_and_the_run_fails(
    monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    line = broken(monkeypatch, run, "virtio.gpu.commands.resources.inside", lambda *_: True)
    assert line.startswith("scanout: hostile was ended: ")


def test_a_guest_that_is_shown_no_more_is_a_broken_promise(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """The device of the guest that breaks nothing answers nothing, once the attack has begun."""
    process = GpuDevice.process

    def stuck(device: GpuDevice, index: int, queue: SplitQueue, *turn: Any) -> bool:
        victim = device.commands["SET_SCANOUT_BLOB"] > 20 and not device.errors
        return False if victim else process(device, index, queue, *turn)

    line = broken(monkeypatch, run, "virtio.gpu.device.GpuDevice.process", stuck)
    assert "honest, which broke nothing: " in line


def test_what_is_still_held_is_a_broken_promise(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    allocate = Ledger.allocate

    def leak(ledger: Ledger, shape: tuple[int, ...], purpose: str) -> Any:
        ledger.host_memory.take(1)
        return allocate(ledger, shape, purpose)

    line = broken(monkeypatch, run, "virtio.gpu.limits.Ledger.allocate", leak)
    assert "bytes of host memory are still held for it" in line
