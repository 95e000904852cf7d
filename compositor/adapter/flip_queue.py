"""The flips of one scanout, in order: which the compositor has, which wait, and what their fences say."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from compositor.adapter.flip import Flip
from compositor.adapter.late import LateFlushes
from compositor.adapter.reuse import EarlyReuse, NewestBuffer
from compositor.adapter.sync_policy import QUEUE_DEPTH, SyncPolicy
from compositor.observe.statistics import GuestStatistics
from compositor.output.layers import Buffer
from compositor.output.submission import Discarded, Feedback, PresentationFlags, Presented, Submission
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import EMPTY, Rect
from compositor.scene.surface import Surface
from virtio.fence import Fence, Producer
from virtio.gpu.display import DeferredTransfer, ScanoutImage
from virtio.gpu.display import Rect as GuestRect

ReadStamp = Callable[[NDArray[np.uint8]], tuple[int | None, bool]]
NowNs = Callable[[], int]
CallAt = Callable[[int, Callable[[], None]], object]


class FlippingGuest(Protocol):
    """What holds for all scanouts of a guest; see `compositor.adapter.display.GuestDisplay`.

    Attributes:
        policy: What flushes wait for, from the next one on.
        hold_ns: How long after its presentation the host keeps an image.
        listeners: Called with every scanout's name and the feedback to each of its flushes.
        statistics: Where submissions and presentations are counted.
        now_ns: The run's clock.
        call_at: The run's calendar.
        read_stamp: Reads a frame's id, and whether two frames were mixed, out of its pixels.
        late: Finds flushes that are out for longer than the guest waits.
    """

    policy: SyncPolicy
    hold_ns: int
    listeners: list[Callable[[str, Feedback], None]]
    statistics: GuestStatistics
    now_ns: NowNs
    call_at: CallAt
    read_stamp: ReadStamp
    late: LateFlushes

    def found(self, finding: EarlyReuse) -> None:
        """The guest drew into a buffer that the host still had."""


class FlipQueue:
    """Images on their way to a node, one flush after the other.

    Args:
        guest: Whose they are.
        surface: The node that shows them.
        producer: Of their fences, for messages.

    Attributes:
        image: What the next flush shows.
        producer: As given; may be replaced.
    """

    def __init__(self, guest: FlippingGuest, surface: Surface, producer: Producer) -> None:
        self.image: ScanoutImage | None = None
        self.producer = producer
        self._guest, self._surface = guest, surface
        self._format = PixelFormat.XRGB8888
        self._count_flushes = 0
        self._release: Fence | None = None  # waits for the image that the next flip replaces
        self._last: Flip | None = None  # not discarded: on the screen, or on its way there
        self._waiting: deque[Flip] = deque()  # behind the pending one
        self._pending: Flip | None = None  # with the surface, and not latched
        self._missed = EMPTY  # what flips of `image` changed that were given up while they waited
        self._out: set[Flip] = set()  # those that the host is not through with
        self._newest = NewestBuffer(guest.found)

    @property
    def outstanding(self) -> list[Flip]:
        """The flips that the host is not through with, the oldest first."""
        return sorted(self._out, key=lambda flip: flip.number)

    def set_image(self, image: ScanoutImage | None) -> Fence | None:
        """The scanout shows `image` from its next flush on, or nothing from now on.

        Returns:
            Under `SyncPolicy.OUT_FENCE`, the fence that gives back what was shown before.
        """
        self.image, self._missed = image, EMPTY
        if image is None:
            self._show_nothing()
            return None
        self._format = PixelFormat.from_fourcc(image.format.fourcc)
        if self._guest.policy is SyncPolicy.OUT_FENCE and self._release is None and self._last is not None:
            self._release = Fence(seqno=self._last.number, producer=self.producer)
        return self._release

    def _show_nothing(self) -> None:
        self._discard_waiting()
        self._guest.late.look(self._guest.now_ns())
        for flip in self._out:
            flip.unwatch()
            if flip.answer is not None:
                self._guest.late.forget(flip.answer)
        self._last = None
        self._newest.forget()
        if self._surface.buffer is not None:
            self._surface.blank()
            self._surface.submit(None)
        self._signal_release()

    def flush(self, damage: GuestRect, incoming: DeferredTransfer | None) -> Fence | None:
        """Submit the image; what the fence waits for is the guest's policy."""
        image, policy = self.image, self._guest.policy
        if image is None:
            return None
        now_ns = self._guest.now_ns()
        self._guest.late.look(now_ns)
        self._newest.flushed(image.resource_id)
        self._guest.statistics.submitted()
        if policy is not SyncPolicy.QUEUE:
            self._discard_waiting()
        elif (self._pending is not None) + len(self._waiting) >= QUEUE_DEPTH:
            self._give_up_newest()
        last = self._last
        # Another image, as after a page flip, differs everywhere, whatever the driver says it painted.
        same = last is not None and image is last.image
        flip = self._flip(image, Rect(*damage).union(self._missed) if same else None, now_ns, incoming)
        flip.previous, self._last, self._missed = last, flip, EMPTY
        flip.order(policy, self._release, self.producer)
        flip.watch()
        self._release = None
        self._out.add(flip)
        self._guest.statistics.outstanding(len(self._out))
        if self._pending is None and not self._waiting:
            self._pending = flip
            self._surface.submit(flip.buffer, flip.damage)
        else:
            self._waiting.append(flip)
        return self._awaited(flip)

    def _flip(
        self, image: ScanoutImage, damage: Rect | None, now_ns: int, incoming: DeferredTransfer | None
    ) -> Flip:
        """The next flip, with the buffer and the submission that go with it."""
        self._count_flushes += 1
        frame_id, torn = self._guest.read_stamp(image.pixels if incoming is None else incoming.source)
        flip = Flip(self._count_flushes, image, damage, now_ns, torn=torn)
        flip.submission = Submission(
            self._surface.name, flip.number, partial(self._latched, flip), partial(self._answered, flip)
        )
        flip.buffer = Buffer(
            image.pixels, self._format, image.zero_copy, frame_id, incoming, submission=flip.submission
        )
        return flip

    def _awaited(self, flip: Flip) -> Fence | None:
        """What the guest has to wait for, if it has to."""
        answer = flip.answer
        if answer is None or answer.signaled:
            return None
        if flip.image.zero_copy:  # a copy is read at once, and Linux asks for no fence there
            self._guest.late.watch(answer, flip.flushed_ns)
        return answer

    def _latched(self, flip: Flip) -> None:
        """The outputs' commits have read, or will scan out, what was pending."""
        self._pending = None
        self._look_for_tears(flip)
        now_ns = self._guest.now_ns()
        self._guest.late.look(now_ns)
        if flip.early and flip.answer is not None:
            self._guest.statistics.fence_waited(now_ns - flip.flushed_ns)
            flip.answer.signal()

    def _answered(self, flip: Flip, feedback: Feedback) -> None:
        """It is certain what became of a flip."""
        if flip not in self._out:  # taken back, when the queue was closed
            return
        if not isinstance(feedback, Presented):
            if flip is self._pending:
                self._pending = None
            self._discard(flip)
        else:
            self._count(flip, feedback)
            if self._guest.hold_ns:
                self._guest.call_at(feedback.time_ns + self._guest.hold_ns, partial(self._done, flip))
            else:
                self._done(flip)
        for listener in tuple(self._guest.listeners):
            listener(self._surface.name, feedback)
        # One that waited behind this flip has its turn; one that waited before it was given up with it.
        if self._waiting and self._pending is None and flip.number < self._waiting[0].number:
            self._pending = following = self._waiting.popleft()
            self._surface.submit(following.buffer, following.damage)

    def _count(self, flip: Flip, feedback: Presented) -> None:
        if PresentationFlags.ZERO_COPY in feedback.flags:  # the buffer itself is on the screen, as it is now
            self._look_for_tears(flip)
        self._guest.statistics.presented(feedback.time_ns - flip.flushed_ns, torn=flip.torn)

    def _look_for_tears(self, flip: Flip) -> None:
        now_ns = self._guest.now_ns()
        if now_ns != flip.seen_ns:
            flip.seen_ns = now_ns
            flip.torn = self._guest.read_stamp(flip.image.pixels)[1]

    def _discard_waiting(self) -> None:
        """Give up all that no output has latched, the newest first: `_last` falls back step by step."""
        while self._waiting:
            self._give_up_newest()
        self._surface.discard()

    def _give_up_newest(self) -> None:
        """Show the flip that waits last on no output; what it changed is for the next one to show."""
        flip = self._waiting.pop()
        if flip.image is self.image and flip.damage is not None:
            self._missed = self._missed.union(flip.damage)
        flip.submission.handed_out()

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
        self._look_for_reuse(flip, now_ns)
        self._guest.late.look(now_ns)
        flip.previous = None
        if flip.answer is not None and not flip.answer.signaled:
            self._guest.statistics.fence_waited(now_ns - flip.flushed_ns)
            flip.answer.signal()
        if flip.release is not None:
            flip.release.signal()

    def _look_for_reuse(self, flip: Flip, now_ns: int) -> None:
        resource_id = flip.image.resource_id
        for finding, own in flip.findings(self.producer.owner, now_ns):
            if own and flip is self._last:
                self._newest.add(resource_id, finding)
            elif not own or self._last is None or self._last.image.resource_id != resource_id:
                self._guest.found(finding)

    def _signal_release(self) -> None:
        fence, self._release = self._release, None
        if fence is not None:
            fence.signal()

    def close(self) -> None:
        """Take the node out of the tree; fences that still wait are signalled."""
        self._discard_waiting()
        self._surface.remove()
        for flip in self.outstanding:
            flip.unwatch()
            if flip.submission.answered:
                self._done(flip)
            else:  # its frame is under way, and its answer will come too late
                self._answered(flip, Discarded(flip.number))
        self._signal_release()
