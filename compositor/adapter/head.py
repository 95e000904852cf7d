"""One scanout of a guest on our outputs: a node of the scene tree for its image, and one for its cursor.

    surface -> screen -> cursor

A cursor belongs to its scanout, as KMS clips one to its CRTC: it is shown where the scanout's picture is, cut
at its edges, stacked just above it, and not at all while the scanout shows nothing.
"""

from __future__ import annotations

from compositor.adapter.flip_queue import FlippingGuest, FlipQueue
from compositor.adapter.placement import Placement, display_mode, place_name
from compositor.output.frame import Frame
from compositor.output.layers import Buffer
from compositor.output.output import Output
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import EMPTY, Rect
from compositor.pixels.plane_state import turned
from compositor.scene.surface import Surface
from compositor.scene.tree import Node, SceneTree
from virtio.fence import Producer
from virtio.gpu.display import CursorImage, DisplayMode


class Head:
    """One scanout slot.

    Args:
        name: For statistics and messages.
        tree: The machine's.
        place: Where it appears.
        guest: Whose it is.

    Attributes:
        place: Where it appears.
        flips: Its images, on their way to the screen.
        surface: The node that shows them.
        cursor: The node that shows its cursor.
    """

    def __init__(self, name: str, tree: SceneTree, place: Placement, guest: FlippingGuest) -> None:
        self.place = place
        self._tree = tree
        self._guest = guest
        self.surface = Surface(
            name,
            x=place.x,
            y=place.y,
            z=place.z,
            clip=place.clip_rect,
            outputs=place.outputs,
            alpha=place.alpha,
            rotation=place.rotation,
            on_frame=self._count,
        )
        self._screen = Node(clip=EMPTY)  # what the picture covers
        self.cursor = Surface(f"{name}-cursor", rotation=place.rotation, cursor=True)
        self._cursor_at = (0, 0)  # on the scanout
        self.flips = FlipQueue(guest, self.surface, Producer(name, place_name(place, tree.outputs)))
        self._screen.add(self.cursor)
        self.surface.add(self._screen)
        self.surface.on_resized = self._resized
        tree.content.add(self.surface)

    def mode(self) -> DisplayMode:
        """What the guest is told about the monitor behind this scanout."""
        return display_mode(self.place, self._tree.outputs)

    def reaches(self, output: Output) -> bool:
        """Whether what it shows is on `output`; of what it has yet to show, whether that may be."""
        if self.surface.buffer is not None:
            return output in self.surface.layers
        outputs, all_outputs = self.place.outputs, self._tree.outputs
        return output.plugged and (outputs is None or any(all_outputs[i] is output for i in outputs))

    def put(self, place: Placement) -> None:
        """Appear elsewhere; the caller tells the guest."""
        self.place = place
        self.flips.producer = self.flips.producer._replace(owner=place_name(place, self._tree.outputs))
        self.surface.set_outputs(place.outputs)
        self.surface.set_alpha(place.alpha)
        for node in (self.surface, self.cursor):
            node.turn(place.rotation)
        self.surface.move(place.x, place.y)
        self._resized()
        self.surface.set_clip(place.clip_rect)
        if place.z != self.surface.z:
            self.surface.restack(place.z)

    def _count(self, frame: Frame) -> None:
        """Add this guest's part of what it took to make and show a frame."""
        surface, cursor = frame.composed.get(self.surface.name), frame.composed.get(self.cursor.name)
        if surface is None and cursor is None:
            return
        mine, count = (surface or 0) + (cursor or 0), self._guest.statistics.bytes
        count["compose"] += mine
        if frame.upload_bytes:  # it has no parts: it belongs to those whose pixels were painted
            total = frame.compose_bytes
            count["upload"] += frame.upload_bytes * mine // total if total else frame.upload_bytes

    def set_cursor(self, image: CursorImage | None, x: int, y: int) -> None:
        """Show the cursor with its upper left corner at (x, y) of the scanout, or hide it."""
        self._cursor_at = x, y
        buffer = None if image is None else Buffer(image.pixels, PixelFormat.ARGB8888)
        self.cursor.submit(buffer, at=self._cursor_position(buffer))

    def move_cursor(self, x: int, y: int) -> None:
        """Move its upper left corner to (x, y) of the scanout; either may be negative."""
        self._cursor_at = x, y
        self.cursor.move(*self._cursor_position(self.cursor.buffer))

    def _resized(self) -> None:
        """What the scanout's picture covers has changed: so has what its cursor is cut at."""
        shown, plane = self.surface.buffer, self.surface.plane
        self._screen.set_clip(EMPTY if shown is None else Rect(0, 0, *plane.size_of(*shown.size)))
        self.move_cursor(*self._cursor_at)

    def _cursor_position(self, cursor: Buffer | None) -> tuple[int, int]:
        """Where the cursor belongs on the turned picture."""
        shown, (x, y) = self.surface.buffer, self._cursor_at
        if shown is None or cursor is None:
            return x, y
        return turned(Rect(x, y, *cursor.size), self.surface.plane, shown.size)[:2]

    def remove(self) -> None:
        """Take both nodes out of the tree; fences that still wait are signalled."""
        self.flips.close()
