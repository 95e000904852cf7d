"""The comparison's benchmark measures right verdicts, on small pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compositor.bench import compare, comparers, load
from compositor.errors import RunFailed


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_MODE": "64x48@60", "_PICTURES": 2, "_CHECKS": 2, "_RUNS": 1}.items():
        monkeypatch.setattr(compare, name, value)


def test_it_measures_equal_and_different_pictures() -> None:
    report = load("compare")()
    rows = {row.case: row for row in report.rows}
    assert list(rows) == ["golden-equal-1080p", "golden-one-pixel-1080p", "arrays-equal-1080p"]
    assert [row.goal for row in report.rows] == [5.0, 1.0, 0.5]
    assert rows["arrays-equal-1080p"].against == "np.array_equal"
    names = {peer.name for peer in comparers.PEERS}
    assert rows["golden-equal-1080p"].peers.keys() == names - report.missing.keys()
    assert all(how == f"pip install {name}" for name, how in report.missing.items())


class Agreeable(comparers.Peer):
    name, modules = "agreeable", ("json",)

    def check(self, name: str, picture: comparers.Picture) -> bool:
        return True


def test_a_wrong_verdict_ends_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparers, "PEERS", (Agreeable,))
    monkeypatch.setattr(comparers, "version", lambda name: "1")
    with pytest.raises(RunFailed, match="golden-one-pixel: agreeable gave the wrong verdict"):
        compare.run()


@pytest.mark.parametrize("kind", comparers.PEERS)
def test_a_peer_tells_pictures_apart(kind: type[comparers.Peer], tmp_path: Path) -> None:
    try:
        peer = kind(tmp_path)
    except ImportError as error:
        pytest.skip(str(error))
    picture = np.full((20, 30, 4), 255, np.uint8)
    peer.store("a", picture)
    assert peer.check("a", picture)
    picture[7, 7, 0] = 254
    assert not peer.check("a", picture)
