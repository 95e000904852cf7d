"""Reservations: implicit synchronisation as dma_resv has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtio.fence.array import FenceArray
from virtio.fence.fence import Fence
from virtio.fence.reservation import Reservation, Usage
from virtio.fence.timeline import Timeline


@pytest.fixture
def reservation() -> Reservation:
    return Reservation()


def filled(reservation: Reservation) -> dict[Usage, Fence]:
    fences = {usage: Fence() for usage in Usage}
    for usage in reversed(Usage):
        reservation.add(fences[usage], usage)
    return fences


def test_a_query_returns_its_usage_and_all_lower_ones(reservation: Reservation) -> None:
    fences = filled(reservation)
    for usage in Usage:
        assert set(reservation.fences(usage)) == {fences[lower] for lower in Usage if lower <= usage}


def test_a_reader_waits_for_writers_and_a_writer_for_readers_too(reservation: Reservation) -> None:
    fences = filled(reservation)
    assert set(reservation.fences_for(write=False)) == {fences[Usage.KERNEL], fences[Usage.WRITE]}
    assert set(reservation.fences_for(write=True)) == set(fences.values()) - {fences[Usage.BOOKKEEP]}


def test_signalled_fences_are_nothing_to_wait_for(reservation: Reservation) -> None:
    fences = filled(reservation)
    fences[Usage.KERNEL].signal()
    assert reservation.fences(Usage.WRITE) == [fences[Usage.WRITE]]
    fences[Usage.WRITE].signal(-5)
    assert reservation.fences(Usage.WRITE) == []
    assert reservation.fences(Usage.READ) == [fences[Usage.READ]]


def test_signalled_fences_are_forgotten_by_the_next_that_is_added(reservation: Reservation) -> None:
    for _ in range(3):
        fence = Fence()
        reservation.add(fence, Usage.READ)
        fence.signal()
    assert len(reservation) == 1
    done = Fence()
    done.signal()
    reservation.add(done, Usage.WRITE)
    assert len(reservation) == 0


@pytest.mark.parametrize(
    ("old", "new", "remain"),
    [
        ((1, Usage.READ), (2, Usage.READ), [2]),
        ((1, Usage.READ), (2, Usage.WRITE), [2]),
        ((1, Usage.WRITE), (2, Usage.READ), [1, 2]),
        ((2, Usage.READ), (1, Usage.READ), [2, 1]),
    ],
    ids=["later", "later-and-stronger", "weaker", "earlier"],
)
def test_a_fence_replaces_earlier_ones_of_its_context_that_are_not_stronger(
    reservation: Reservation, old: tuple[int, Usage], new: tuple[int, Usage], remain: list[int]
) -> None:
    timeline = Timeline()
    for seqno, usage in (old, new):
        reservation.add(timeline.fence(seqno), usage)
    assert [fence.seqno for fence in reservation.fences(Usage.READ)] == remain


def test_the_same_fence_can_be_made_stronger(reservation: Reservation) -> None:
    fence = Fence()
    reservation.add(fence, Usage.BOOKKEEP)
    reservation.add(fence, Usage.WRITE)
    assert len(reservation) == 1
    assert reservation.fences(Usage.WRITE) == [fence]


def test_the_members_of_an_array_are_added_one_by_one(reservation: Reservation) -> None:
    fences = [Fence(), Fence()]
    reservation.add(FenceArray(fences), Usage.WRITE)
    assert reservation.fences(Usage.WRITE) == fences


def test_one_fence_stands_for_all_that_is_to_wait_for(reservation: Reservation) -> None:
    assert reservation.singleton(Usage.BOOKKEEP).signaled
    fences = filled(reservation)
    single = reservation.singleton(Usage.WRITE)
    fences[Usage.WRITE].signal()
    assert not single.signaled
    fences[Usage.KERNEL].signal()
    assert single.signaled


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.one_of(st.sampled_from(Usage), st.none())), min_size=1, max_size=40
    )
)
def test_what_a_query_returns_stands_for_every_fence_that_was_ever_added(
    steps: list[tuple[int, Usage | None]],
) -> None:
    """None advances the timeline, a usage adds its next fence."""
    reservation, timelines = Reservation(), [Timeline() for _ in range(3)]
    added: list[tuple[Fence, Usage]] = []
    for index, usage in steps:
        timeline = timelines[index]
        if usage is None:
            timeline.signal(timeline.value + 1)
        else:
            fence = timeline.fence()
            reservation.add(fence, usage)
            added.append((fence, usage))
        for query in Usage:
            waited = reservation.fences(query)
            for fence, its in added:
                if its <= query and not fence.signaled:
                    later = [w for w in waited if w.context == fence.context and not fence.is_later_than(w)]
                    assert later, "a fence that no access would wait for"
        assert len(reservation) <= len(timelines) * len(Usage) + 1
