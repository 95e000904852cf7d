"""The adapter: one guest's scanouts and cursors become surfaces on outputs.

Implements `virtio.gpu.display.Display`. The scanout is the device's slot, the output the compositor's
monitor; a `Head` binds one to the other: a node of the scene tree that has a place on one output, or several.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from compositor.errors import BadInput, Misuse
from compositor.frame import Frame
from compositor.geometry import Rect
from compositor.observe.statistics import GuestStatistics
from compositor.output import Output
from compositor.pixel import PixelFormat
from compositor.placement import Placement, check_placement, display_mode, place_name
from compositor.presentation import Feedback, PresentationFlags, Presented
from compositor.scene_tree import SceneTree
from compositor.surface import Buffer
from compositor.sync.flip import Flip
from compositor.sync.policy import QUEUE_DEPTH, SyncPolicy
from compositor.sync.reuse import EarlyReuse
from compositor.transform import turned
from compositor.view import SurfaceNode
from virtio.fence import Fence, Producer
from virtio.gpu.display import CursorImage, DisplayMode, Incoming, ScanoutImage
from virtio.gpu.display import Rect as GuestRect

__all__ = ["GuestDisplay", "Head", "Placement"]

ReadStamp = Callable[[NDArray[np.uint8]], tuple[int | None, bool]]
NowNs = Callable[[], int]
CallAt = Callable[[int, Callable[[], None]], object]


class Head:
    """One scanout slot: a node for its image, and one for its cursor."""

    def __init__(self, name: str, tree: SceneTree, place: Placement, guest: GuestDisplay) -> None:
        self.place = place
        self.image: ScanoutImage | None = None
        self._tree = tree
        self._guest = guest
        self._format = PixelFormat.XRGB8888
        self._count_flushes = 0
        self._producer = Producer(name, place_name(place, self._outputs()))  # of the fences, for messages
        self._release: Fence | None = None  # waits for the image that the next flip replaces
        self._last: Flip | None = None  # not discarded: on the screen, or on its way there
        self._waiting: deque[Flip] = deque()  # behind the pending one
        self._pending: Flip | None = None  # with the surface, and not taken
        self._unanswered: dict[int, Flip] = {}  # with the surface, by number of the commit
        self._out: set[Flip] = set()  # those that the host is not through with
        self.surface = SurfaceNode(
            name,
            x=place.x,
            y=place.y,
            z=place.z,
            clip=place.clip_rect,
            outputs=place.outputs,
            alpha=place.alpha,
            rotation=place.rotation,
            on_taken=self._on_taken,
            on_feedback=self._on_feedback,
            on_frame=self._count,
        )
        self.cursor = SurfaceNode(
            f"{name}-cursor",
            x=place.x,
            y=place.y,
            outputs=place.outputs,
            alpha=place.alpha,
            rotation=place.rotation,
        )
        self._cursor_at = (0, 0)  # on the scanout
        tree.content.add(self.surface)
        tree.cursors.add(self.cursor)

    def mode(self) -> DisplayMode:
        """What the guest is told about the monitor behind this scanout."""
        return display_mode(self.place, self._outputs())

    def _outputs(self) -> list[Output]:
        return [presenter.output for presenter in self._tree.presenters]

    def put(self, place: Placement) -> None:
        """Appear elsewhere; the guest is told by whoever calls this."""
        self.place = place
        self._producer = self._producer._replace(owner=place_name(place, self._outputs()))
        for node in (self.surface, self.cursor):
            node.set_outputs(place.outputs)
            node.set_alpha(place.alpha)
            node.turn(place.rotation)
        self.surface.move(place.x, place.y)
        self.move_cursor(*self._cursor_at)
        self.surface.set_clip(place.clip_rect)
        if place.z != self.surface.z:
            self.surface.restack(place.z)

    def set_image(self, image: ScanoutImage | None) -> Fence | None:
        """The scanout shows `image` from its next flush on, or nothing from now on.

        Returns:
            Under `SyncPolicy.OUT_FENCE`, the fence that gives back what was shown before.
        """
        self.image = image
        if image is None:
            self._show_nothing()
            return None
        self._format = PixelFormat.from_fourcc(image.format.fourcc)
        if self._guest.policy is SyncPolicy.OUT_FENCE and self._release is None and self._last is not None:
            self._release = Fence(seqno=self._last.number, producer=self._producer)
        return self._release

    def _show_nothing(self) -> None:
        self._discard_waiting()
        for flip in self._out:
            flip.unwatch()
        self._last = None
        if self.surface.buffer is not None:
            self.surface.blank()
            self.surface.submit(None)
        self._signal_release()

    def flush(self, damage: GuestRect, incoming: Incoming | None) -> Fence | None:
        """Submit the image; what the fence waits for is the guest's policy."""
        image, policy = self.image, self._guest.policy
        if image is None:
            return None
        self._guest.statistics.submitted()
        if policy is not SyncPolicy.QUEUE:
            self._discard_waiting()
        elif (self._pending is not None) + len(self._waiting) >= QUEUE_DEPTH:
            self._discard(self._waiting.pop())
        self._count_flushes += 1
        last = self._last
        # Another image, as after a page flip, differs everywhere, whatever the driver says it painted.
        changed = damage if last is not None and image is last.image else None
        flip = Flip(self._count_flushes, image, changed, self._guest.now_ns())
        flip.incoming = incoming
        latest = image.pixels if incoming is None else incoming.source
        flip.frame_id, flip.torn = self._guest.read_stamp(latest)
        flip.previous, self._last = last, flip
        flip.order(policy, self._release, self._producer)
        flip.watch()
        self._release = None
        self._out.add(flip)
        self._guest.statistics.outstanding(len(self._out))
        if self._pending is None and not self._waiting:
            self._submit(flip)
        else:
            self._waiting.append(flip)
        return None if flip.answer is None or flip.answer.signaled else flip.answer

    def _submit(self, flip: Flip) -> None:
        """Give a flip to its node; the compositor may take it within this call."""
        self._pending = self._unanswered[self.surface.submitted + 1] = flip
        buffer = Buffer(flip.image.pixels, self._format, flip.image.zero_copy, flip.frame_id, flip.incoming)
        self.surface.submit(buffer, None if flip.damage is None else Rect(*flip.damage))

    def _count(self, frame: Frame) -> None:
        """Add this guest's part of what it took to make and show a frame."""
        mine = [frame.composed[n] for n in (self.surface.name, self.cursor.name) if n in frame.composed]
        if not mine:
            return
        count, total = self._guest.statistics.bytes, frame.compose_bytes
        count["compose"] += sum(mine)
        # An upload has no parts; whose pixels were painted, theirs it was. Direct scan-out has one owner.
        count["upload"] += frame.upload_bytes * sum(mine) // total if total else frame.upload_bytes

    def _on_taken(self) -> None:
        """The output's commit has read, or will scan out, what was pending."""
        flip, self._pending = self._pending, None
        if flip is None:
            return
        self._look_for_tears(flip)
        if flip.taken():
            self._guest.statistics.fence_waited(self._guest.now_ns() - flip.flushed_ns)

    def _on_feedback(self, feedback: Feedback) -> None:
        flip = self._unanswered.pop(feedback.commit, None)
        if flip is None:
            return
        if isinstance(feedback, Presented):
            self._presented(flip, feedback)
        else:
            if flip is self._pending:
                self._pending = None
            self._discard(flip)
        for listener in tuple(self._guest.listeners):
            listener(self.surface.name, feedback)

    def _presented(self, flip: Flip, feedback: Presented) -> None:
        if PresentationFlags.ZERO_COPY in feedback.flags:  # the buffer itself is on the screen, as it is now
            self._look_for_tears(flip)
        self._guest.statistics.presented(feedback.time_ns - flip.flushed_ns, torn=flip.torn)
        hold_ns = self._guest.hold_ns
        if hold_ns:
            self._guest.call_at(feedback.time_ns + hold_ns, partial(self._done, flip))
        else:
            self._done(flip)
        if self._waiting and self._pending is None:
            self._submit(self._waiting.popleft())

    def _look_for_tears(self, flip: Flip) -> None:
        now_ns = self._guest.now_ns()
        if now_ns != flip.seen_ns:
            flip.seen_ns = now_ns
            flip.torn = self._guest.read_stamp(flip.image.pixels)[1]

    def _discard_waiting(self) -> None:
        """Give up all that nobody has taken, the newest first, so that `_last` falls back step by step."""
        while self._waiting:
            self._discard(self._waiting.pop())
        self.surface.discard()

    def _discard(self, flip: Flip) -> None:
        self._guest.statistics.discarded()
        if self._last is flip:
            self._last = flip.previous
        self._done(flip)

    def _done(self, flip: Flip) -> None:
        """The host is through with it; once."""
        if flip not in self._out:
            return
        self._out.remove(flip)
        now_ns = self._guest.now_ns()
        for finding in flip.findings(place_name(self.place, self._outputs()), now_ns):
            self._guest.found(finding)
        flip.previous = None
        if flip.done():
            self._guest.statistics.fence_waited(now_ns - flip.flushed_ns)

    def _signal_release(self) -> None:
        fence, self._release = self._release, None
        if fence is not None:
            fence.signal()

    def set_cursor(self, image: CursorImage | None, x: int, y: int) -> None:
        """Show the cursor with its upper left corner at (x, y) of the scanout, or hide it."""
        self.cursor.submit(None if image is None else Buffer(image.pixels, PixelFormat.ARGB8888))
        self.move_cursor(x, y)

    def move_cursor(self, x: int, y: int) -> None:
        """Move its upper left corner to (x, y) of the scanout; either may be negative."""
        self._cursor_at = x, y
        if self.image is not None and self.cursor.buffer is not None:
            height, width = self.image.pixels.shape[:2]
            picture = Rect(x, y, *self.cursor.buffer.size)
            x, y = turned(picture, self.surface.plane, (width, height))[:2]
        self.cursor.move(self.place.x + x, self.place.y + y)

    def remove(self) -> None:
        """Take both nodes out of the tree; fences that still wait are signalled."""
        self._waiting.clear()
        for node in (self.surface, self.cursor):
            node.remove()
        self._pending = None
        self._unanswered.clear()
        for flip in sorted(self._out, key=lambda flip: flip.number):
            flip.unwatch()
            self._done(flip)
        self._signal_release()


class GuestDisplay:
    """All heads of one guest: the display port that its device talks to.

    Args:
        name: The guest's, for surfaces and statistics.
        tree: The machine's.
        places: One placement per scanout.
        statistics: Where submissions and presentations are counted.
        now_ns: The run's clock.
        read_stamp: Reads a frame's id, and whether two frames were mixed, out of its pixels.
        call_at: The run's calendar; needed for `hold_ns`.

    Attributes:
        policy: What flushes wait for, from the next one on.
        hold_ns: How long after its presentation the host keeps an image: 0, unless lateness is studied.
        listeners: Called with every scanout's name and the feedback to each of its flushes.
        report: Gets one line the first time that the guest draws into a buffer that is not its own.

    Raises:
        BadInput: A placement names no output, or gives an impossible size.
    """

    def __init__(
        self,
        name: str,
        tree: SceneTree,
        places: Sequence[Placement],
        *,
        statistics: GuestStatistics,
        now_ns: NowNs,
        read_stamp: ReadStamp,
        call_at: CallAt | None = None,
    ) -> None:
        for place in places:
            check_placement(name, place, len(tree.presenters))
        self.statistics = statistics
        self.now_ns = now_ns
        self.read_stamp = read_stamp
        self.call_at: CallAt = call_at or _no_calendar
        self.policy = SyncPolicy.RELEASE
        self.hold_ns = 0
        self.listeners: list[Callable[[str, Feedback], None]] = []
        self.report: Callable[[str], None] = lambda _line: None
        self._name = name
        self.heads = [
            Head(f"{name}.{index}" if index else name, tree, place, self)
            for index, place in enumerate(places)
        ]
        self._tree = tree
        self._told = self.modes()

    def modes(self) -> Sequence[DisplayMode]:
        """One mode per scanout."""
        return [head.mode() for head in self.heads]

    def outputs_changed(self) -> bool:
        """Whether an output came, went or changed in such a way that the guest has to hear of it."""
        before, self._told = self._told, self.modes()
        return self._told != before

    def place(self, scanout_id: int) -> Placement:
        """Where a scanout appears.

        Raises:
            BadInput: There is no such scanout.
        """
        if not 0 <= scanout_id < len(self.heads):
            raise BadInput(f"guest {self._name}: no scanout {scanout_id}; it has {len(self.heads)}")
        return self.heads[scanout_id].place

    def on_top(self, scanout_id: int) -> Placement:
        """The same place, above everything else there is.

        Raises:
            BadInput: There is no such scanout.
        """
        highest = max(node.z for node in self._tree.content.children)
        return replace(self.place(scanout_id), z=highest + 1)

    def check_put(self, scanout_id: int, place: Placement) -> None:
        """Whether a scanout may appear there; changes nothing.

        Raises:
            BadInput: The placement is impossible, or there is no such scanout; nothing has changed.
        """
        self.place(scanout_id)
        check_placement(self._name, place, len(self._tree.presenters))

    def found(self, finding: EarlyReuse) -> None:
        """The guest drew into a buffer that the host still had."""
        if not self.statistics.frames["early_reuse"]:
            self.report(f"{self._name}: {finding}")
        self.statistics.reused_early(finding.as_dict())

    def set_scanout(self, scanout_id: int, image: ScanoutImage | None) -> Fence | None:
        """See `virtio.gpu.display.Display.set_scanout`."""
        return self.heads[scanout_id].set_image(image)

    def flush(self, scanout_id: int, damage: GuestRect, incoming: Incoming | None = None) -> Fence | None:
        """See `virtio.gpu.display.Display.flush`."""
        return self.heads[scanout_id].flush(damage, incoming)

    def set_cursor(self, scanout_id: int, image: CursorImage | None, x: int, y: int) -> None:
        """See `virtio.gpu.display.Display.set_cursor`."""
        self.heads[scanout_id].set_cursor(image, x, y)

    def move_cursor(self, scanout_id: int, x: int, y: int) -> None:
        """See `virtio.gpu.display.Display.move_cursor`."""
        self.heads[scanout_id].move_cursor(x, y)

    def close(self) -> None:
        """Take the guest off the screens."""
        for head in self.heads:
            head.remove()
        self.heads.clear()


def _no_calendar(_when_ns: int, _callback: Callable[[], None]) -> object:
    raise Misuse("hold_ns: this display was given no calendar to hold its fences by")
