"""Two threads for large jobs."""

from __future__ import annotations

import functools
import os
import threading

import pytest

from compositor.render import lanes

helper = functools.cache(lanes.Helper)  # also on a machine with one core


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "_helper", helper)


def parts_of(rows: int, row_bytes: int) -> list[tuple[int, int, int]]:
    parts: list[tuple[int, int, int]] = []
    lanes.run(lambda top, bottom: parts.append((top, bottom, threading.get_ident())), rows, row_bytes)
    return sorted(parts)


@pytest.mark.usefixtures("two_cores")
def test_a_large_job_is_shared_by_two_threads_without_gap_or_overlap() -> None:
    first, second = parts_of(1080, 7680)
    assert (first[0], first[1], second[1]) == (0, second[0], 1080)
    assert first[2] != second[2]


@pytest.mark.usefixtures("two_cores")
def test_a_small_job_stays_on_the_callers_thread() -> None:
    assert parts_of(64, 256) == [(0, 64, threading.get_ident())]


def test_one_core_does_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0})
    monkeypatch.setattr(lanes, "_helper", lanes._helper.__wrapped__)
    assert parts_of(1080, 7680) == [(0, 1080, threading.get_ident())]


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize("failing", [0, 594])
def test_an_error_on_either_thread_reaches_the_caller(failing: int) -> None:
    def job(top: int, _bottom: int) -> None:
        if top == failing:
            raise ValueError(top)

    with pytest.raises(ValueError, match=str(failing)):
        lanes.run(job, 1080, 7680)


@pytest.mark.usefixtures("two_cores")
def test_who_finds_the_helper_busy_works_alone() -> None:
    with helper().busy:
        assert parts_of(1080, 7680) == [(0, 1080, threading.get_ident())]
    assert len(parts_of(1080, 7680)) == 2


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_has_a_helper_of_its_own() -> None:
    lanes.run(lambda _top, _bottom: None, 1080, 7680)
    if (child := os.fork()) == 0:
        lanes.run(lambda _top, _bottom: None, 1080, 7680)  # would wait for ever for its parent's
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
