"""A node that shows a buffer, on as many outputs as it lies on.

On each it has a `View`: a surface of that output. A submission goes to all of them, and its feedback is
one: it is taken when every output has taken it, and presented when every output has presented it; so a
guest never draws into a buffer that one of two monitors has yet to read. Cropping is a smaller window
onto the same pixels, never a copy: a picture that spans two monitors can be scanned out by both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from compositor.frame import Frame
from compositor.geometry import Rect
from compositor.node import Node, Site
from compositor.plane_state import OPAQUE, PlaneState, Rotation
from compositor.presentation import Discarded, Feedback, Presented
from compositor.presenter import Presenter
from compositor.surface import Buffer, Surface
from compositor.transform import cropped


class Spot(NamedTuple):
    """Where a node appears on one output.

    Attributes:
        x: Of the node's left edge on the output, pixels; may lie outside.
        y: As `x`, of its top edge.
        crop: What is shown of the node, in its own coordinates; None: all of it.
        alpha: How opaque it is, 0 to 0xffff.
    """

    x: int
    y: int
    crop: Rect | None = None
    alpha: int = OPAQUE


class Submission:
    """One buffer on its way to the screens, all of which it has to reach.

    Args:
        node: Hears what becomes of it.
        number: Of the submission, on its node.
        views: How many outputs it goes to.
    """

    __slots__ = ("_node", "_number", "_waiting", "_unseen", "_shown", "_told", "_over")

    def __init__(self, node: SurfaceNode, number: int, views: int) -> None:
        self._node = node
        self._number = number
        self._waiting = views  # outputs that have not taken it
        self._unseen = 0  # outputs that have, and did not present it yet
        self._shown: Presented | None = None
        self._told = self._over = False

    @property
    def waiting(self) -> bool:
        """Whether there is an output that has not taken it."""
        return self._waiting > 0

    def joined(self) -> None:
        """It goes to one more output."""
        self._waiting += 1

    def taken(self) -> None:
        """An output's commit has taken it."""
        self._waiting -= 1
        self._unseen += 1
        self._settle()

    def presented(self, feedback: Presented) -> None:
        """An output shows it. What holds for all of them is said of the last one."""
        self._unseen -= 1
        flags = feedback.flags if self._shown is None else feedback.flags & self._shown.flags
        self._shown = replace(feedback, commit=self._number, flags=flags)
        self._settle()

    def dropped(self, *, taken: bool) -> None:
        """An output will not show it: it was replaced before it was taken, or unplugged after that."""
        if taken:
            self._unseen -= 1
        else:
            self._waiting -= 1
        self._settle()

    def _settle(self) -> None:
        """Tell the node what is certain now. Whoever is told may submit the next one within the call."""
        if self._waiting:
            return
        if not self._told and (self._unseen or self._shown is not None):
            self._told = True
            self._node.on_taken()
        if not self._unseen and not self._over:
            self._over = True
            self._node.on_feedback(self._shown or Discarded(self._number))


class View:
    """A node on one output.

    Args:
        node: The node.
        presenter: The output's.
        spot: Where.
        z: Stacking order there.
    """

    def __init__(self, node: SurfaceNode, presenter: Presenter, spot: Spot, z: int) -> None:
        self.presenter = presenter
        self._node = node
        self._spot = spot
        self._pending: tuple[int, Submission] | None = None  # with its number on the surface
        self._taken: dict[int, Submission] = {}  # not presented yet, by the same number
        self.surface = Surface(node.name, z=z, on_taken=self._on_taken, on_feedback=self._on_feedback)
        self._move()
        presenter.output.scene.add(self.surface)
        presenter.listeners.append(node.on_frame)

    def place(self, spot: Spot) -> None:
        """Show it elsewhere; a submission that waits is not lost."""
        if spot == self._spot:
            return
        before, self._spot = self._spot, spot
        if (spot.crop, spot.alpha) != (before.crop, before.alpha):
            self.renew()
        self._move()
        self.presenter.schedule()

    def renew(self) -> None:
        """Show the node's buffer in its present state; a submission that waits is not lost."""
        if self._node.buffer is not None:
            waiting, self._pending = self._pending, None
            self.surface.discard()
            self.submit(self._node.buffer, None, None if waiting is None else waiting[1])

    def submit(self, buffer: Buffer | None, damage: Rect | None, submission: Submission | None) -> None:
        """Show its part of `buffer`; nobody hears of it without a `submission`."""
        crop, plane = self._spot.crop, self._node.plane
        if buffer is not None and crop is not None:
            if plane.is_in_place:
                buffer = _part(buffer, crop)
                damage = None if damage is None else damage.intersect(crop).translate(-crop.x, -crop.y)
            else:
                plane = cropped(plane, crop, buffer.size)
        self.surface.discard()
        if submission is not None:
            self._pending = self.surface.submitted + 1, submission
        self.surface.submit(buffer, damage)
        self.surface.set_plane(replace(plane, alpha=self._spot.alpha, zpos=self.surface.z))

    def close(self) -> None:
        """Take it off the output."""
        self.presenter.listeners.remove(self._node.on_frame)
        self.presenter.output.scene.remove(self.surface)
        while self._taken:
            self._taken.pop(next(iter(self._taken))).dropped(taken=True)
        self.presenter.schedule()

    def _move(self) -> None:
        x, y, crop, _ = self._spot
        self.surface.move(x + crop.x, y + crop.y) if crop is not None else self.surface.move(x, y)

    def _on_taken(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            number, submission = pending
            self._taken[number] = submission
            submission.taken()

    def _on_feedback(self, feedback: Feedback) -> None:
        submission = self._taken.pop(feedback.commit, None)
        if submission is not None:
            if isinstance(feedback, Presented):
                submission.presented(feedback)
            else:
                submission.dropped(taken=True)
        elif self._pending is not None and self._pending[0] == feedback.commit:
            _, submission = self._pending
            self._pending = None
            submission.dropped(taken=False)


def _part(buffer: Buffer, crop: Rect) -> Buffer:
    """A window onto a buffer's pixels."""
    if buffer.incoming is not None:
        buffer.incoming.finish()  # what is outside of the window is wanted elsewhere
    pixels = buffer.pixels[crop.y : crop.bottom, crop.x : crop.right]
    return Buffer(pixels, buffer.format, buffer.zero_copy, buffer.frame_id)


class SurfaceNode(Node):
    """A node that shows the buffer last submitted to it.

    Attributes:
        name: For statistics and messages.
        buffer: What it shows; None: nothing.
        plane: How its buffer is turned; the node covers what that gives.
        on_taken: Called when every output that shall show a submission has committed it.
        on_feedback: Called once for every submission: `Presented` when every one of them shows it, with what
            the last one said; `Discarded` when none ever will. Submissions are numbered from 1.
        submitted: Submissions so far.
        on_frame: Called with every frame of every output that it is on.
    """

    def __init__(
        self,
        name: str,
        *,
        x: int = 0,
        y: int = 0,
        z: int = 0,
        clip: Rect | None = None,
        outputs: Sequence[int] | None = None,
        alpha: int = OPAQUE,
        rotation: Rotation = Rotation.ROTATE_0,
        on_taken: Callable[[], None] = lambda: None,
        on_feedback: Callable[[Feedback], None] = lambda _feedback: None,
        on_frame: Callable[[Frame], None] = lambda _frame: None,
    ) -> None:
        super().__init__(x=x, y=y, z=z, clip=clip, outputs=outputs, alpha=alpha)
        self.name = name
        self.plane = PlaneState(rotation=rotation)
        self.buffer: Buffer | None = None
        self.on_taken, self.on_feedback, self.on_frame = on_taken, on_feedback, on_frame
        self.submitted = 0
        self._views: dict[int, View] = {}
        self._last: Submission | None = None
        self._desk: Desk | None = None  # None: it is not part of a tree, or hidden there
        self._parent_site = Site()
        self._level = 0

    @property
    def views(self) -> Mapping[int, View]:
        """Its views, by index of the output."""
        return self._views

    def submit(self, buffer: Buffer | None, damage: Rect | None = None) -> None:
        """Show `buffer` from the next commits on; where no output shows it, it is discarded at once.

        Args:
            buffer: The new content. None shows nothing, and is not a submission.
            damage: What differs from the content before, relative to the buffer; None: everything.
        """
        self.discard()
        resized = (self.buffer and self.buffer.size) != (buffer and buffer.size)
        self.buffer = buffer
        if resized:
            self._arrange()
        views = list(self._views.values())
        self.submitted += buffer is not None
        submission = self._last = None if buffer is None else Submission(self, self.submitted, len(views))
        for view in views:
            view.submit(buffer, damage, submission)
        for view in views:
            view.presenter.schedule()
        if submission is not None and not views:
            self.on_feedback(Discarded(self.submitted))

    def discard(self) -> None:
        """Give up what no output has taken yet."""
        for view in tuple(self._views.values()):
            view.surface.discard()

    def blank(self) -> None:
        """Say that its picture is about to be taken off its outputs."""
        for view in self._views.values():
            view.presenter.blank()

    def move(self, x: int, y: int) -> None:
        """As `Node.move`; one that has no children moves alone."""
        if self._desk is None or self.children:
            super().move(x, y)
        elif (x, y) != (self._x, self._y):
            self._x, self._y = x, y
            self._arrange()

    def turn(self, rotation: Rotation) -> None:
        """Show the buffer turned, about its upper left corner, which stays where it is."""
        if rotation != self.plane.rotation:
            self.plane = PlaneState(rotation=rotation)
            self._arrange()
            for view in self._views.values():
                view.renew()
                view.presenter.schedule()

    def stack(self, level: int) -> None:
        """Lie at this level of its outputs' scenes, which are sorted afterwards."""
        self._level = level
        for view in self._views.values():
            view.surface.z = level

    def place(self, parent: Site, desk: Desk) -> None:
        """Appear on the outputs of `desk`, for a parent at `parent`."""
        self._parent_site, self._desk = parent, desk
        self._arrange()

    def withdraw(self) -> None:
        """Appear nowhere."""
        self._desk = None
        self._arrange()

    def _removed(self) -> None:
        self.withdraw()

    def _arrange(self) -> None:
        """Have a view wherever it is to be seen; new ones first, so that no submission loses its last one."""
        spots = {} if self._desk is None else self._desk.spots(self.site(self._parent_site), self._rect())
        for index, spot in spots.items():
            view = self._views.get(index)
            if view is not None:
                view.place(spot)
            elif self._desk is not None:
                self._appear(index, self._desk.presenters[index], spot)
        for index in [index for index in self._views if index not in spots]:
            self._views.pop(index).close()

    def _appear(self, index: int, presenter: Presenter, spot: Spot) -> None:
        view = self._views[index] = View(self, presenter, spot, self._level)
        if self.buffer is not None:
            last = self._last if self._last is not None and self._last.waiting else None
            if last is not None:
                last.joined()
            view.submit(self.buffer, None, last)
            presenter.schedule()

    def _rect(self) -> Rect:
        width, height = (0, 0) if self.buffer is None else self.plane.size_of(*self.buffer.size)
        return Rect(0, 0, width, height)


class Desk(Protocol):
    """The outputs, and where they lie.

    Attributes:
        presenters: Of the outputs, in the order that nodes count them by.
    """

    presenters: Sequence[Presenter]

    def spots(self, site: Site, extent: Rect) -> Mapping[int, Spot]:
        """Where a node at `site` that covers `extent` of its own coordinates is to be seen."""
