"""The figures of the ways to share a GPU, from short runs of the real parts."""

import json
from pathlib import Path

import pytest

from compositor.cli import main
from compositor.commands.studies import sharing_study
from compositor.commands.studies.sharing_measure import (
    Isolation,
    convergence,
    isolation,
    jain,
    measure,
    newcomer_stall_ms,
    placed,
)
from guest.gpu import FramebufferMemory

SHORT = 0.2


async def test_mediated_passthrough_comes_near_to_native_and_remoting_less_so() -> None:
    rates = {mode: await measure(mode, [1], seconds=SHORT) for mode in ("native", "mediated", "remoting")}
    native, mediated, remoting = (rates[mode].busy_ms[0] for mode in ("native", "mediated", "remoting"))
    assert 0.9 < mediated / native < 1
    assert 0.7 < remoting / native < mediated / native
    assert rates["native"].traps == [0]
    assert rates["mediated"].traps[0] > 2 * rates["mediated"].frames[0]
    assert rates["remoting"].copied_bytes[0] > 4 * 960 * 540 * rates["remoting"].frames[0]


async def test_four_guests_share_evenly() -> None:
    rates = await measure("mediated", [1, 1, 1, 1], seconds=SHORT)
    assert jain(rates.busy_ms) > 0.98


def test_jains_index() -> None:
    assert jain([3, 3, 3]) == 1
    assert jain([1, 0, 0, 0]) == 0.25


@pytest.mark.parametrize("mode", ["mediated", "sriov", "remoting"])
def test_every_reach_for_another_guests_memory_is_caught(mode: str) -> None:
    assert isolation(mode) == Isolation(attempts=3, caught=3, harmed=False)


def test_a_guest_alone_has_no_neighbour_to_harm() -> None:
    assert isolation("direct") is None


async def test_weights_hold_within_a_second() -> None:
    found = await convergence("mediated")
    assert found.converged_ms is not None
    assert found.converged_ms < 1000


async def test_the_old_scheduler_kept_a_busy_guest_waiting_for_hundreds_of_milliseconds() -> None:
    assert await newcomer_stall_ms("mediated") < 50
    assert await newcomer_stall_ms("mediated-original") > 500


async def test_the_published_frame_rates_of_a_framebuffer_in_vram_are_fitted() -> None:
    assert (await placed("1920x1080", FramebufferMemory.PEER, frames=10)).fps == 59.0
    migrated = await placed("1920x1080", FramebufferMemory.MIGRATED, frames=10)
    assert migrated.fps == 44.0
    assert migrated.migrated_per_frame == 1920 * 1080 * 4


async def test_equal_runs_are_equal() -> None:
    assert await measure("sriov", [1, 2], seconds=SHORT) == await measure("sriov", [1, 2], seconds=SHORT)


def test_the_command_prints_a_table_and_writes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing_study, "SIZES", ("320x180",))
    monkeypatch.setenv("COLUMNS", "80")
    path = tmp_path / "study.json"
    with pytest.raises(SystemExit) as end:
        main(["run", "sharing-study", "--seconds", "0.1", "--stats", str(path)])
    assert end.value.code == 0
    printed = capsys.readouterr().out
    assert all(mode in printed for mode in sharing_study.MODES)
    assert "…" not in printed  # all of it fits
    written = json.loads(path.read_text())
    assert [row["mode"] for row in written["results"]] == list(sharing_study.MODES)
    assert written["results"][3]["memory_per_guest"] == 512 << 20
    assert written["convergence"]["weights"] == [1, 2, 4]


@pytest.mark.parametrize("option", [["--clock", "real"], ["--frames", "3"], ["--kernel", "linux"]])
def test_options_that_mean_nothing_to_it_are_refused(
    option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["run", "sharing-study", *option])
    assert end.value.code == 2
    assert "sharing-study" in capsys.readouterr().err
