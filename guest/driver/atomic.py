"""Atomic mode setting: one commit changes a scanout's planes together, between an in-fence and an out-fence.

As in Linux's KMS. A commit is checked whole and then takes place or does not (`check`, with `test_only`
nothing else happens). It comes back at once; the hardware is touched when the in-fence has signalled: the one
that it was given (IN_FENCE_FD), else whatever still writes to its framebuffer by that buffer's reservation
(`drm_gem_plane_helper_prepare_fb`). An in-fence with an error does not stop it
(`drm_atomic_helper_wait_for_fences` does not look), but is counted. Its out-fence (OUT_FENCE_PTR) signals
when the device has taken the new framebuffer. Commits take place in their order.
"""

from __future__ import annotations

import errno
from collections import Counter, deque
from functools import partial
from typing import NamedTuple

from guest.damage import Damage
from guest.driver.framebuffer import Framebuffer
from guest.driver.gpu import GpuDriver
from guest.driver.session import DriverState
from virtio.errors import ScanoutError
from virtio.fence import Fence, Timeline, Usage
from virtio.gpu.formats import Format
from virtio.gpu.wire import Rect

CURSOR_SIDE = 64  # pixels, virtio 1.3, 5.7.6.10
RELEASE_RING = 1
"""Ring whose timeline carries the release fences."""


class CommitRefused(ScanoutError):
    """An atomic commit that is not possible; nothing has changed.

    Attributes:
        error: A negative errno, as the ioctl returns it.
    """

    def __init__(self, error: int, reason: str) -> None:
        super().__init__(f"atomic commit refused ({errno.errorcode[-error]}): {reason}")
        self.error = error


class CursorState(NamedTuple):
    """The cursor plane.

    Attributes:
        framebuffer: 64 by 64 pixels, B8G8R8A8 as in Linux; None hides the cursor.
        position: Of the hot spot's pixel on the scanout, (x, y).
        hotspot: Within the picture.
    """

    framebuffer: Framebuffer | None
    position: tuple[int, int] = (0, 0)
    hotspot: tuple[int, int] = (0, 0)


class CrtcState(NamedTuple):
    """What a commit changes; what is None stays as it is.

    Attributes:
        primary: Framebuffer for the primary plane.
        in_fence: To wait for instead of the framebuffer's own users.
        cursor: The cursor plane.
        release_apart: Let what was shown before come back by a fence of its own (`Flip.release`).
        damage: What of `primary` differs from what is shown before it; None: everything. It counts only where
            that has the same size.
    """

    primary: Framebuffer | None = None
    in_fence: Fence | None = None
    cursor: CursorState | None = None
    release_apart: bool = False
    damage: Damage = None


class Flip(NamedTuple):
    """A commit on its way.

    Attributes:
        out: Signals when the device has taken it.
        release: Signals when what was shown before is free; None: with `out`.
    """

    out: Fence
    release: Fence | None


class _Pending(NamedTuple):
    state: CrtcState
    ready: Fence
    flip: Flip


class Crtc:
    """One scanout.

    Attributes:
        depth: Commits of a primary plane that may be on their way at a time; Linux: 1.
        failed_fences: In-fences that ended with an error, by its name.
    """

    def __init__(self, driver: GpuDriver, scanout_id: int, *, depth: int = 1) -> None:
        self.depth = depth
        self.failed_fences: Counter[str] = Counter()
        self._driver, self._scanout = driver, scanout_id
        self._out = Timeline(f"crtc-{scanout_id}")
        self._release = Timeline(f"crtc-{scanout_id} release")
        self._queue: deque[_Pending] = deque()
        self._cursor: CursorState | None = None
        self._shown: Framebuffer | None = None
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether a commit of the primary plane would be refused."""
        return len(self._out) >= self.depth

    def check(self, state: CrtcState) -> None:
        """Refuse what cannot be; changes nothing.

        Raises:
            CommitRefused: EBUSY: as many flips as may be are on their way. EINVAL: a cursor of the
            wrong size or format, or fences without a picture.
        """
        if self._closed:
            raise CommitRefused(-errno.ENODEV, "the scanout is off")
        if state.primary is not None and self.busy:
            raise CommitRefused(-errno.EBUSY, f"{len(self._out)} flips are pending")
        picture = state.cursor.framebuffer if state.cursor is not None else None
        if picture is not None and picture.size != (CURSOR_SIDE, CURSOR_SIDE):
            raise CommitRefused(-errno.EINVAL, f"a cursor of {picture.size[0]}x{picture.size[1]}, not 64x64")
        if picture is not None and picture.format is not Format.B8G8R8A8:  # UPDATE_CURSOR names no format
            raise CommitRefused(-errno.EINVAL, f"a cursor in {picture.format.name}, not B8G8R8A8 (AR24)")
        if state.primary is None and (state.in_fence is not None or state.release_apart):
            raise CommitRefused(-errno.EINVAL, "fences without a framebuffer")

    def commit(self, state: CrtcState, *, test_only: bool = False) -> Flip | None:
        """Change what the scanout shows, all of it together.

        Args:
            state: What changes.
            test_only: Only check.

        Returns:
            The flip, where the primary plane changes.

        Raises:
            CommitRefused: As `check`.
        """
        self.check(state)
        if test_only:
            return None
        if state.primary is None:
            self._set_cursor(state.cursor)
            self._driver.notify()
            return None
        ready = state.in_fence or state.primary.reservation.singleton(Usage.WRITE)
        release = self._release.fence() if state.release_apart else None
        flip = Flip(self._out.fence(), release)
        self._queue.append(_Pending(state, ready, flip))
        if ready.signaled:
            self._advance()
        else:
            ready.add_callback(lambda _fence: self._advance())
        return flip

    def complete(self, out: Fence) -> None:
        """Take a flip for complete though the device has not said so."""
        if not out.signaled:
            self._out.signal(out.seqno)

    def close(self) -> None:
        """Forget commits that wait; all fences that are out end with -ECANCELED. Once more does nothing."""
        self._closed = True
        self._queue.clear()
        for timeline in (self._release, self._out):
            if not timeline.closed:
                timeline.close(-errno.ECANCELED)

    def _advance(self) -> None:
        """Touch the hardware for every commit whose turn has come."""
        running = self._driver.state is DriverState.RUNNING
        while running and self._queue and self._queue[0].ready.signaled:
            pending = self._queue.popleft()
            error = pending.ready.error
            if error is not None:
                self.failed_fences[errno.errorcode[-error]] += 1
            self._show(pending)

    def _show(self, pending: _Pending) -> None:
        state, flip = pending.state, pending.flip
        assert state.primary is not None
        release = None
        if flip.release is not None:
            release = self._driver.new_fence(RELEASE_RING)
            release.add_callback(partial(_came_back, self._release, flip.release))
        self._set_cursor(state.cursor)
        before, self._shown = self._shown, state.primary
        comparable = before is not None and before.size == state.primary.size
        damage = state.damage if comparable else None
        flush = state.primary.show(self._scanout, release, damage, again=before is state.primary)
        flush.add_callback(partial(_came_back, self._out, flip.out))
        self._driver.notify()

    def _set_cursor(self, cursor: CursorState | None) -> None:
        """UPDATE_CURSOR for another picture, MOVE_CURSOR for the same one elsewhere."""
        if cursor is None or cursor == self._cursor:
            return
        before, self._cursor = self._cursor, cursor
        if before is not None and (before.framebuffer, before.hotspot) == (
            cursor.framebuffer,
            cursor.hotspot,
        ):
            self._driver.move_cursor(self._scanout, cursor.position)
        else:
            resource = cursor.framebuffer.resource_id if cursor.framebuffer is not None else 0
            self._driver.update_cursor(self._scanout, resource, cursor.position, cursor.hotspot)

    def turn_off(self) -> None:
        """Show nothing any more, and take no further commits."""
        self._driver.set_scanout(self._scanout, 0, Rect(0, 0, 0, 0))
        self.close()


def _came_back(timeline: Timeline, ours: Fence, device: Fence) -> None:
    """The device's fence signalled: so does ours, with its error."""
    if not timeline.closed and ours.seqno > timeline.value:
        timeline.signal(ours.seqno, device.error, now_ns=device.timestamp_ns)
