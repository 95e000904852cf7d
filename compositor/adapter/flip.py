"""One flush on its way to the screen, and the fences that tell the guest how far it got."""

from __future__ import annotations

from compositor.adapter.reuse import EarlyReuse, Samples
from compositor.adapter.sync_policy import SyncPolicy
from compositor.output.layers import Buffer
from compositor.output.submission import Submission
from compositor.pixels.geometry import Rect
from virtio.fence import Fence, Producer
from virtio.gpu.display import ScanoutImage


class Flip:
    """A flushed image.

    Attributes:
        number: Of the flush, on its scanout, from 1.
        submission: Its way to the screens.
        image: What was flushed.
        damage: Where, relative to the image; None: everything.
        buffer: The image as surfaces show it.
        torn: Whether it mixed two frames, when last looked at.
        flushed_ns: When.
        seen_ns: When it was last looked at.
        previous: The flip that this one takes the place of.
        answer: The fence that the flush waits for; None: it was answered at once.
        release: The fence that gives back what was shown before, where that is not `answer`'s to say.
        early: Whether `answer` signals when the flip is latched; else when the host is through with it.
    """

    __slots__ = (
        "number", "submission", "image", "damage", "buffer", "torn", "flushed_ns", "seen_ns", "previous",
        "answer", "release", "early", "_watched",
    )  # fmt: skip

    submission: Submission
    buffer: Buffer

    def __init__(
        self, number: int, image: ScanoutImage, damage: Rect | None, now_ns: int, *, torn: bool
    ) -> None:
        self.number = number
        self.image = image
        self.damage = damage
        self.torn = torn
        self.flushed_ns = self.seen_ns = now_ns
        self.previous: Flip | None = None
        self.answer: Fence | None = None
        self.release: Fence | None = None
        self.early = False
        self._watched: tuple[tuple[Samples, bool], ...] = ()

    def order(self, policy: SyncPolicy, release: Fence | None, producer: Producer) -> None:
        """Decide what the guest will hear.

        Args:
            policy: What the flush waits for.
            release: A fence that waits for the image before to be free.
            producer: Who signals the answer; named when it is late.
        """
        self.release = release
        self.early = policy is SyncPolicy.OUT_FENCE
        if policy is not SyncPolicy.NONE:
            # Of a context of its own: a flip that is discarded overtakes the one on the screen.
            self.answer = Fence(seqno=self.number, producer=producer)

    def watch(self) -> None:
        """The host owns this image from now on, and what it replaces still: the guest must not change them.

        A buffer that is flushed again, as a console's is, is drawn into while it is shown: its guest's wish.
        """
        previous = self.previous
        if previous is not None and previous.image.resource_id == self.image.resource_id:
            return
        self._watched = tuple(
            (Samples(flip.image.pixels, flip.buffer.frame_id), flip is self)
            for flip in (self, previous)
            if flip is not None and flip.image.zero_copy
        )

    def unwatch(self) -> None:
        """The guest takes the buffers back by right."""
        self._watched = ()

    def findings(self, owner: str, now_ns: int) -> list[tuple[EarlyReuse, bool]]:
        """Which of the watched buffers have changed, and whether it is the flip's own; ends the watch."""
        watched, self._watched = self._watched, ()
        changed = ((samples.frame, samples.changed_rows(), own) for samples, own in watched)
        return [
            (EarlyReuse(frame, rows, self.number, owner, now_ns - self.flushed_ns), own)
            for frame, rows, own in changed
            if rows is not None
        ]
