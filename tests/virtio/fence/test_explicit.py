"""Acquire and release points: the cases of linux-drm-syncobj-v1."""

from __future__ import annotations

import pytest

from virtio.fence.explicit import (
    Commit,
    CommitFault,
    ConflictingPoints,
    NoAcquirePoint,
    NoBuffer,
    NoReleasePoint,
    Point,
    SurfaceSync,
)
from virtio.fence.fence import Fence
from virtio.fence.syncobj import InvalidPoint, Syncobj


@pytest.fixture
def surface() -> SurfaceSync:
    return SurfaceSync()


@pytest.fixture
def acquire() -> Syncobj:
    return Syncobj("acquire")


@pytest.fixture
def release() -> Syncobj:
    return Syncobj("release")


def committed(surface: SurfaceSync) -> Commit:
    commit = surface.commit(buffer=True)
    assert commit is not None
    return commit


def test_a_commit_with_a_buffer_takes_both_points(
    surface: SurfaceSync, acquire: Syncobj, release: Syncobj
) -> None:
    surface.set_acquire(acquire, 9)
    surface.set_acquire(acquire, 3)
    surface.set_release(release, 2)
    commit = committed(surface)
    assert commit == (Point(acquire, 3), Point(release, 2))
    assert (surface.acquire_point, surface.release_point) == (None, None)


def test_a_commit_without_a_buffer_needs_no_points(surface: SurfaceSync) -> None:
    assert surface.commit(buffer=False) is None


@pytest.mark.parametrize("direction", ["acquire", "release"])
def test_points_without_a_buffer_are_refused(surface: SurfaceSync, direction: str) -> None:
    getattr(surface, f"set_{direction}")(Syncobj("client"), 3)
    with pytest.raises(NoBuffer, match="point client:3 is set, and no buffer is attached") as caught:
        surface.commit(buffer=False)
    assert caught.value.code == 3


def test_a_buffer_without_an_acquire_point_is_refused(surface: SurfaceSync, release: Syncobj) -> None:
    surface.set_release(release, 1)
    with pytest.raises(NoAcquirePoint) as caught:
        surface.commit(buffer=True)
    assert caught.value.code == 4


def test_a_buffer_without_a_release_point_is_refused(surface: SurfaceSync, acquire: Syncobj) -> None:
    surface.set_acquire(acquire, 1)
    with pytest.raises(NoReleasePoint) as caught:
        surface.commit(buffer=True)
    assert caught.value.code == 5


@pytest.mark.parametrize("points", [(2, 2), (3, 2)])
def test_points_of_one_timeline_that_conflict_are_refused(
    surface: SurfaceSync, acquire: Syncobj, points: tuple[int, int]
) -> None:
    surface.set_acquire(acquire, points[0])
    surface.set_release(acquire, points[1])
    with pytest.raises(
        ConflictingPoints, match=f"acquire:{points[0]} is not before .*:{points[1]}"
    ) as caught:
        surface.commit(buffer=True)
    assert (caught.value.code, isinstance(caught.value, CommitFault)) == (6, True)


def test_a_refused_commit_leaves_the_points_as_they_were(surface: SurfaceSync, acquire: Syncobj) -> None:
    surface.set_acquire(acquire, 2)
    surface.set_release(acquire, 2)
    with pytest.raises(ConflictingPoints):
        surface.commit(buffer=True)
    surface.set_release(acquire, 3)
    assert committed(surface).release_point == Point(acquire, 3)


@pytest.mark.parametrize("direction", ["acquire", "release"])
def test_a_point_that_does_not_exist_is_refused_at_once(surface: SurfaceSync, direction: str) -> None:
    with pytest.raises(InvalidPoint):
        getattr(surface, f"set_{direction}")(Syncobj(), 0)
    assert (surface.acquire_point, surface.release_point) == (None, None)


def test_the_host_waits_for_the_acquire_point_and_signals_the_release_point(
    surface: SurfaceSync, acquire: Syncobj, release: Syncobj
) -> None:
    surface.set_acquire(acquire, 3)
    surface.set_release(release, 2)
    commit = committed(surface)
    rendered, reusable = Fence(), release.fence(2)
    assert not commit.acquire_fence().signaled
    acquire.submit(3, rendered)
    rendered.signal(now_ns=5)
    assert commit.acquire_fence().signaled
    assert not reusable.signaled
    assert commit.release(now_ns=8)
    assert (reusable.signaled, reusable.timestamp_ns) == (True, 8)


def test_an_acquire_point_above_a_pending_release_point_of_its_timeline_releases_too_early(
    surface: SurfaceSync, acquire: Syncobj
) -> None:
    commits = []
    for points in ((1, 2), (3, 4)):
        surface.set_acquire(acquire, points[0])
        surface.set_release(acquire, points[1])
        commits.append(committed(surface))
    released = acquire.fence(2)
    acquire.signal(1)
    acquire.signal(3)  # the second buffer is ready, and the client thinks that the first is free
    assert released.signaled
    assert not commits[0].release()
    assert commits[1].release()
    assert acquire.value == 4


def test_nobody_hears_a_release_whose_timeline_is_closed(
    surface: SurfaceSync, acquire: Syncobj, release: Syncobj
) -> None:
    surface.set_acquire(acquire, 1)
    surface.set_release(release, 1)
    commit = committed(surface)
    release.close()
    assert not commit.release()
