"""The scene of a machine: a tree of nodes, each with a place relative to its parent.

    content -> nodes -> surfaces -> a layer on each output -> Output.commit

Children are stacked above each other and inherit position, clip, opacity and outputs. The tree is flattened
when it changes, not when it is painted: a commit finds the layers of an output and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from compositor.errors import Misuse
from compositor.output.output import Output
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import OPAQUE
from compositor.scene.layout import Monitor, arrange_monitors


class Inherited(NamedTuple):
    """What a node's ancestors make of its coordinates.

    Attributes:
        x: Where its own (0, 0) lies, pixels: in the layout of outputs, or on each of `outputs`.
        y: As `x`.
        clip: What may be seen of it, in the same coordinates; None: everything.
        outputs: Where alone it appears, and mirrored on all of them; None: wherever it lies in the layout.
        alpha: Opacity of all of them together, 0 to 0xffff.
    """

    x: int = 0
    y: int = 0
    clip: Rect | None = None
    outputs: tuple[int, ...] | None = None
    alpha: int = OPAQUE


class Area(NamedTuple):
    """An output, and what it covers of the layout of outputs."""

    output: Output
    rect: Rect


class Node:
    """A group: its children move and are clipped together.

    Args:
        x: Position of its left edge in its parent, pixels; may be negative.
        y: As `x`, of its top edge.
        z: Stacking order among siblings; of equals, the one that came later is above.
        clip: What is shown of it and of its children, in its own coordinates; None: everything.
        outputs: Indices of the outputs on which alone it appears, (x, y) being relative to each one's upper
            left corner: it is mirrored. None: as its parent; at the root, wherever it lies in the layout.
        alpha: Opacity, 0 to 0xffff; every surface in a group is made as translucent as the group is.

    Attributes:
        on_changed: Set by the tree on its root: called when anything in it has moved.
    """

    def __init__(
        self,
        *,
        x: int = 0,
        y: int = 0,
        z: int = 0,
        clip: Rect | None = None,
        outputs: Sequence[int] | None = None,
        alpha: int = OPAQUE,
    ) -> None:
        self.on_changed: Callable[[], None] | None = None
        self._x, self._y, self._z = x, y, z
        self._clip = clip
        self._outputs = None if outputs is None else tuple(outputs)
        self._alpha = alpha
        self._parent: Node | None = None
        self._children: list[Node] = []

    @property
    def position(self) -> tuple[int, int]:
        """(x, y) in its parent, pixels."""
        return self._x, self._y

    @property
    def z(self) -> int:
        """Stacking order among its siblings."""
        return self._z

    @property
    def children(self) -> Sequence[Node]:
        """Its children, bottom to top."""
        return tuple(self._children)

    def add(self, child: Node) -> None:
        """Put a node on top of the children with the same or a smaller z.

        Raises:
            Misuse: It has a parent already.
        """
        if child._parent is not None or child is self:
            raise Misuse("a node has one parent; take it out of the other one first")
        child._parent = self
        self._insert(child)
        self._changed()

    def remove(self) -> None:
        """Take this node, with all below it, out of its parent.

        Raises:
            Misuse: It has no parent.
        """
        parent, self._parent = self._parent, None
        if parent is None:
            raise Misuse("a node without a parent cannot be taken out of it")
        parent._children.remove(self)
        for node, _ in self.flattened(Inherited()):
            node.withdraw()
        parent._changed()

    def move(self, x: int, y: int) -> None:
        """Put it at (x, y) of its parent."""
        if (x, y) != (self._x, self._y):
            self._x, self._y = x, y
            self._changed()

    def set_clip(self, clip: Rect | None) -> None:
        """Show only this part of it, in its own coordinates; None: everything."""
        self._clip = clip
        self._changed()

    def set_outputs(self, outputs: Sequence[int] | None) -> None:
        """Appear on these outputs alone, as `Node` takes them."""
        self._outputs = None if outputs is None else tuple(outputs)
        self._changed()

    def set_alpha(self, alpha: int) -> None:
        """Be so opaque, 0 to 0xffff."""
        self._alpha = alpha
        self._changed()

    def restack(self, z: int) -> None:
        """Give it another z; of equals it comes to lie on top."""
        self._z = z
        if self._parent is not None:
            self._parent._children.remove(self)
            self._parent._insert(self)
            self._parent._changed()

    def flattened(self, parent: Inherited) -> Iterator[tuple[Node, Inherited]]:
        """It and all nodes below it, in stacking order, each with what it inherits."""
        yield self, parent
        own = self.inherit(parent)
        for child in self._children:
            yield from child.flattened(own)

    def inherit(self, parent: Inherited) -> Inherited:
        """What its children inherit when it inherits `parent`."""
        outputs, clip = parent.outputs, parent.clip
        x, y = parent.x + self._x, parent.y + self._y
        if outputs is None and self._outputs is not None:  # from here on, relative to the outputs' corners
            outputs, clip, x, y = self._outputs, None, self._x, self._y
        if self._clip is not None:
            own = self._clip.translate(x, y)
            clip = own if clip is None else clip.intersect(own)
        return Inherited(x, y, clip, outputs, (parent.alpha * self._alpha + OPAQUE // 2) // OPAQUE)

    def stack(self, level: int) -> None:
        """Lie at this level of the outputs, whose layers are sorted afterwards; a group lies on none."""

    def place(self, parent: Inherited, areas: Sequence[Area]) -> None:
        """Appear where it lies on the outputs; a group does not."""

    def withdraw(self) -> None:
        """Appear nowhere; a group never does."""

    def _insert(self, child: Node) -> None:
        siblings = self._children
        above = next((i for i, other in enumerate(siblings) if other._z > child._z), len(siblings))
        siblings.insert(above, child)

    def _changed(self) -> None:
        """Something moved: tell the tree, if this is part of one."""
        ancestor: Node = self
        while ancestor._parent is not None:
            ancestor = ancestor._parent
        if ancestor.on_changed is not None:
            ancestor.on_changed()


class SceneTree:
    """All that is on a machine's outputs.

    Args:
        outputs: The machine's; may grow, `outputs_changed` says so.

    Attributes:
        outputs: As given.
        content: What guests show, cursors included.
    """

    def __init__(self, outputs: Sequence[Output]) -> None:
        self.outputs = outputs
        self.content = Node()
        self._areas: Sequence[Area] = ()
        self.content.on_changed = self._arrange
        self.outputs_changed()

    def outputs_changed(self) -> None:
        """An output came, was plugged, unplugged, moved, or has another mode."""
        rects = arrange_monitors(Monitor.of(output) for output in self.outputs)
        self._areas = [Area(*pair) for pair in zip(self.outputs, rects, strict=True)]
        self._arrange()

    def _arrange(self) -> None:
        """Flatten the tree again."""
        placed = list(self.content.flattened(Inherited()))
        for level, (node, _) in enumerate(placed):
            node.stack(level)
        for output in self.outputs:
            output.restack()
        for node, parent in placed:
            node.place(parent, self._areas)
