"""Where outputs lie beside each other: one plane of pixels, as a desktop has it.

An output without a position of its own lies to the right of all that come before it. Outputs do not
overlap; what shall be seen on two of them is mirrored by its node (see `compositor.scene.tree`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

from compositor.errors import BadInput
from compositor.output.mode import Mode
from compositor.output.output import Output
from compositor.pixels.geometry import EMPTY, Rect

FARTHEST = 1 << 20  # pixels; far more than 16 of the largest outputs in a row
_LONGEST_NAME = 64  # characters


def check_name(name: str) -> None:
    """Refuse what cannot be the name of an output or a guest: it becomes part of files' names and of lines.

    Raises:
        BadInput: It is too long, or has a slash or something that cannot be printed.
    """
    if len(name) > _LONGEST_NAME:
        raise BadInput(f"a name of {len(name)} characters: it may have {_LONGEST_NAME}")
    if not name.isprintable() or "/" in name:
        raise BadInput(f'"{name}" is no name: it has a slash, or what cannot be printed')


class Monitor(NamedTuple):
    """As much of an output as its place depends on; others may be tried before an output is changed.

    Attributes:
        name: For messages.
        mode: Its size.
        position: (x, y) in the layout, pixels; None: to the right of those before it.
        plugged: Whether it takes up room.
    """

    name: str
    mode: Mode
    position: tuple[int, int] | None = None
    plugged: bool = True

    @classmethod
    def of(cls, output: Output) -> Self:
        """What an output is like now."""
        return cls(output.name, output.mode, output.position, output.plugged)


def arrange_monitors(monitors: Iterable[Monitor]) -> list[Rect]:
    """Each one's rectangle in the layout; those that are unplugged have their place there, too."""
    rects: list[Rect] = []
    edge = 0
    for monitor in monitors:
        x, y = monitor.position or (edge, 0)
        rects.append(Rect(x, y, *monitor.mode[:2]))
        if monitor.plugged:
            edge = max(edge, rects[-1].right)
    return rects


def check_monitors(monitors: Sequence[Monitor]) -> None:
    """Refuse monitors that cannot lie where they shall.

    Raises:
        BadInput: A name is impossible, two of them have one name or overlap, or one lies too far away; the
            message names them.
    """
    names = [monitor.name for monitor in monitors]
    for name in names:
        check_name(name)
        if names.count(name) > 1:
            raise BadInput(f"two outputs are called {name}")
    placed: list[tuple[Monitor, Rect]] = []
    for monitor, rect in zip(monitors, arrange_monitors(monitors), strict=True):
        if max(abs(rect.x), abs(rect.y)) > FARTHEST:
            raise BadInput(f"{monitor.name}: position {rect.x},{rect.y} is beyond {FARTHEST} pixels")
        if monitor.plugged:
            for other, taken in placed:
                if not rect.intersect(taken).empty:
                    raise BadInput(
                        f"{monitor.name} ({monitor.mode} at {rect.x},{rect.y}) overlaps {other.name} "
                        f"({other.mode} at {taken.x},{taken.y}): move one, or mirror a guest on both"
                    )
            placed.append((monitor, rect))


def bounding_box(outputs: Sequence[Output]) -> Rect:
    """The smallest rectangle that holds all plugged outputs; empty when there are none."""
    box = EMPTY
    monitors = [Monitor.of(output) for output in outputs]
    for monitor, rect in zip(monitors, arrange_monitors(monitors), strict=True):
        if monitor.plugged:
            box = box.union(rect)
    return box
