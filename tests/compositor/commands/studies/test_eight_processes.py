from __future__ import annotations

import pytest

from compositor.commands.studies.eight_processes import Soak
from compositor.commands.studies.study import Holdings


@pytest.mark.parametrize(
    ("after", "complaint"),
    [
        (Holdings(6, 9, 100 << 20), "descriptors and mappings grew"),
        (Holdings(5, 10, 100 << 20), "descriptors and mappings grew"),
        (Holdings(5, 9, 200 << 20), "memory grew from 100 to 200 MiB"),
    ],
)
def test_growth_is_a_failure(after: Holdings, complaint: str) -> None:
    soak = Soak(None, [], [])  # type: ignore[arg-type]
    before = Holdings(5, 9, 100 << 20)
    assert soak.failures(before, before) == []
    assert complaint in soak.failures(before, after)[0]


def test_what_the_host_reported_is_a_failure() -> None:
    soak = Soak(None, [], ["gpu0: nonsense"])  # type: ignore[arg-type]
    holdings = Holdings(1, 1, 1)
    assert soak.failures(holdings, holdings) == ["the host reported: gpu0: nonsense"]
