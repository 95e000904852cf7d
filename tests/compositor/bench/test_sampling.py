import dataclasses

import pytest

from compositor.bench.render import sampling
from compositor.bench.render.peers import Peers


def test_cases_are_compared_with_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    names = ("bilinear-over-720p", "convert-nv12")
    cases = [dataclasses.replace(case) for case in sampling.CASES if case.name in names]
    monkeypatch.setattr(sampling, "CASES", cases)
    monkeypatch.setattr(sampling, "_RUNS", 1)
    peers = Peers()
    peers.cv2 = None
    rows = sampling.rows(peers)
    assert [row.case for row in rows] == list(names)
    assert rows[0].against == ("pixman" if peers.pixman is not None else None)
    assert rows[0].goal == 1.6
    assert (rows[1].peers, rows[1].ratio) == ({}, None)
