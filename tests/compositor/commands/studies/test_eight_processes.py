from __future__ import annotations

from pathlib import Path

import pytest

from compositor.commands.options import RunOptions
from compositor.commands.studies.eight_processes import Holdings, House, eight_processes
from compositor.errors import BadInput


@pytest.mark.parametrize("options", [{"window": True}, {"clock": "virtual"}, {"frames": 3}])
def test_options_that_have_no_use_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="eight-processes runs headless in real time"):
        eight_processes(RunOptions(**options))  # type: ignore[arg-type]


def test_a_kernel_has_no_use_either() -> None:
    with pytest.raises(BadInput, match="eight-processes"):
        eight_processes(RunOptions(), Path("linux"))


def test_what_a_process_holds_is_counted() -> None:
    before = Holdings.now()
    with Path("/dev/null").open():
        assert Holdings.now().descriptors == before.descriptors + 1
    assert before.memory > 1 << 20


@pytest.mark.parametrize(
    ("after", "complaint"),
    [
        (Holdings(6, 9, 100 << 20), "descriptors and mappings grew"),
        (Holdings(5, 10, 100 << 20), "descriptors and mappings grew"),
        (Holdings(5, 9, 200 << 20), "memory grew from 100 to 200 MiB"),
    ],
)
def test_growth_is_a_failure(after: Holdings, complaint: str) -> None:
    house = House(None, [], [])  # type: ignore[arg-type]
    before = Holdings(5, 9, 100 << 20)
    assert house.failures(before, before) == []
    assert complaint in house.failures(before, after)[0]


def test_what_the_host_reported_is_a_failure() -> None:
    house = House(None, [], ["gpu0: nonsense"])  # type: ignore[arg-type]
    holdings = Holdings(1, 1, 1)
    assert house.failures(holdings, holdings) == ["the host reported: gpu0: nonsense"]
