"""Explicit synchronisation of one surface: acquire and release points, and what a client may do with them.

The rules of linux-drm-syncobj-v1 (wayland-protocols, staging). Points are double-buffered with the surface's
buffer: they hold for the commit that attaches it. Both are given exactly when a buffer is attached, and on
one timeline the acquire point lies before the release point.

A client that uses one timeline for both directions hurts itself: reaching the acquire point of its next
buffer means reaching the release point of the one before, though the host still reads that. The host
notices when it releases; see `Commit.release`.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from virtio.fence.fence import Fence
from virtio.fence.syncobj import PointFault, Syncobj


class CommitFault(PointFault):
    """A commit whose points break the protocol; `code` is the error that it names."""

    code: ClassVar[int]


class NoBuffer(CommitFault):
    """Points without a buffer."""

    code = 3


class NoAcquirePoint(CommitFault):
    """A buffer without a point to wait for."""

    code = 4


class NoReleasePoint(CommitFault):
    """A buffer without a point to signal."""

    code = 5


class ConflictingPoints(CommitFault):
    """The buffer would be released before, or when, it is acquired."""

    code = 6


class Point(NamedTuple):
    """One point of one timeline."""

    syncobj: Syncobj
    value: int

    def __str__(self) -> str:
        return f"{self.syncobj.name}:{self.value}"


class Commit(NamedTuple):
    """The points of one committed buffer."""

    acquire_point: Point
    release_point: Point

    def acquire_fence(self) -> Fence:
        """The fence to wait for before the buffer is read."""
        syncobj, value = self.acquire_point
        return syncobj.fence(value)

    def release(self, *, now_ns: int | None = None) -> bool:
        """The host has done with the buffer: signal its release point.

        Returns:
            False when nobody waits for that any more: the timeline is closed, or the client's own
            submissions have passed the point. It then took the buffer back too early, and what the host
            read of it since may be torn.
        """
        syncobj, value = self.release_point
        if syncobj.closed or value <= syncobj.submitted:
            return False
        syncobj.signal(value, now_ns=now_ns)
        return True


class SurfaceSync:
    """The pending points of one surface.

    Attributes:
        acquire_point: The one that the next commit takes; None where none is set.
        release_point: As `acquire_point`.
    """

    __slots__ = ("acquire_point", "release_point")

    def __init__(self) -> None:
        self.acquire_point: Point | None = None
        self.release_point: Point | None = None

    def set_acquire(self, syncobj: Syncobj, value: int) -> None:
        """The next buffer may be read from this point on; replaces an earlier one. Raises `InvalidPoint`."""
        syncobj.check(value)
        self.acquire_point = Point(syncobj, value)

    def set_release(self, syncobj: Syncobj, value: int) -> None:
        """Signal this point when the next buffer is done with; otherwise as `set_acquire`."""
        syncobj.check(value)
        self.release_point = Point(syncobj, value)

    def commit(self, *, buffer: bool) -> Commit | None:
        """Take the pending points for the commit that happens now.

        Args:
            buffer: Whether the commit attaches one.

        Returns:
            None for a commit without a buffer.

        Raises:
            CommitFault: One of its subclasses; the pending points stay as they are.
        """
        acquire, release = self.acquire_point, self.release_point
        if not buffer:
            if acquire or release:
                raise NoBuffer(f"point {acquire or release} is set, and no buffer is attached")
            return None
        if acquire is None:
            raise NoAcquirePoint("a buffer is attached without an acquire point")
        if release is None:
            raise NoReleasePoint("a buffer is attached without a release point")
        if acquire.syncobj is release.syncobj and acquire.value >= release.value:
            raise ConflictingPoints(f"acquire point {acquire} is not before release point {release}")
        self.acquire_point = self.release_point = None
        return Commit(acquire, release)
