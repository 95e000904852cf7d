import pytest

from compositor import Machine
from compositor.errors import BadInput
from compositor.frame_clock.timing import TimingModel


def test_work_costs_nothing_unless_told() -> None:
    model = TimingModel()
    model.check()
    assert (model.command_ns, model.compose_ns, model.scanout_ns) == (0, 0, 0)


def test_negative_durations_are_refused_by_name() -> None:
    with pytest.raises(BadInput, match="timing: scanout_ns is -1: not below 0"):
        Machine(timing=TimingModel(scanout_ns=-1))
