"""A node that shows a buffer, on as many outputs as it lies on: on each it has a `View`.

A submission goes to all of them, and its feedback is one (`compositor.scene.submission`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from compositor.output.frame import Frame
from compositor.output.presentation import Discarded, Feedback
from compositor.output.surface import Buffer
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import OPAQUE, PlaneState, Rotation
from compositor.presenter import Presenter
from compositor.scene.node import Node, Site
from compositor.scene.submission import Submission
from compositor.scene.view import Spot, View


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
        submission = None
        if buffer is not None:
            self.submitted += 1
            submission = Submission(self.submitted, len(views), self.on_taken, self.on_feedback)
        self._last = submission
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
