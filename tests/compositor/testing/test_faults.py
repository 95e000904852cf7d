"""The strategy: what it draws, to what it shrinks, what it refuses, what is kept of a failure."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings

from compositor.errors import BadInput, Misuse
from compositor.faults import KINDS, AnyFault, DropVblanks, Kill, Script, check_fault
from compositor.output.output import Output
from compositor.testing import faults, keeping

OUTPUTS = [Output("64x48@60", name="left"), Output("64x48@60", name="right")]
TWO: dict[str, Any] = {"guests": ["gears", "plasma"], "outputs": ["left", "right"]}
QUICK = settings(max_examples=500, database=None, phases=(Phase.generate, Phase.shrink))


def least(suits: Callable[[AnyFault], bool]) -> Script:
    """The least script with a fault that suits."""
    return find(faults(**TWO), lambda script: any(map(suits, script.events)), settings=QUICK)


@given(script=faults(**TWO, seconds=2, most=6))
def test_every_script_that_is_drawn_can_happen(script: Script) -> None:
    assert len(script.events) <= 6
    for fault in script.events:
        check_fault(fault, OUTPUTS, {"gears": "simulated", "plasma": "simulated"})
        assert fault.at < 2


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_drawn_and_shrinks_to_the_simplest_of_it(kind: str) -> None:
    script = least(lambda fault: fault.kind == kind)
    (fault,) = script.events
    assert fault.kind == kind
    assert (fault.at, fault.frame, fault.commit, fault.command) == (0, None, None, None)
    assert getattr(fault, "count", 1) == 1
    assert getattr(fault, "guest", "gears") == "gears"
    assert getattr(fault, "output", "left") == "left"


@pytest.mark.parametrize("moment", ["frame", "commit", "command"])
def test_each_moment_is_drawn(moment: str) -> None:
    script = least(lambda fault: bool(getattr(fault, moment)))
    assert script.events[0].nth == 1


def test_a_machine_without_guests_has_faults_of_outputs_alone() -> None:
    strategy = faults(guests=[], outputs=["left"], kinds=["drop-vblanks"])
    least_one = find(strategy, lambda script: len(script.events) == 1, settings=QUICK)
    assert least_one == Script((DropVblanks("left"),))


def test_what_cannot_be_drawn_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match='kinds: there is no fault "explode"; there are lose-kicks'):
        faults(**TWO, kinds=["explode"])
    with pytest.raises(BadInput, match='kinds: "kill" happens to a guest, and no guests are named'):
        faults(guests=[], outputs=["left"], kinds=["kill"])
    with pytest.raises(BadInput, match="no outputs are named"):
        faults(guests=["gears"], outputs=[])
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(Misuse, match="pip install hypothesis"):
        faults(**TWO)


def test_the_least_failing_script_is_kept_and_said(tmp_path: Path) -> None:
    path = tmp_path / "kept" / "least.toml"

    @QUICK
    @given(script=faults(**TWO, kinds=["stall", "kill"]))
    def no_guest_is_killed(script: Script) -> None:
        with keeping(script, path):
            assert all(not isinstance(fault, Kill) or fault.at < 0.25 for fault in script.events)

    with pytest.raises(AssertionError) as failure:
        no_guest_is_killed()
    assert Script.load(path) == Script((Kill("gears", at=0.25),))
    assert f'the script of faults is in {path}:\n[[events]]\ndo = "kill"' in "".join(failure.value.__notes__)


def test_a_block_that_passes_keeps_nothing(tmp_path: Path) -> None:
    with keeping(Script(), tmp_path / "x.toml"):
        pass
    assert list(tmp_path.iterdir()) == []
