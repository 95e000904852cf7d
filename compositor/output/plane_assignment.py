"""Which layer gets which plane.

Best use first: the cursor on the cursor plane, for it moves most; a layer that fills the screen on the
primary plane, for then nothing at all is composed; overlays for the layers whose composition costs most.
What is left is composed, and the result is on the primary plane.

A layer may leave the composition only if nothing that is composed lies over it, for the primary plane is
below all others (libliftoff's allocator has the same rule, alloc.c). So the picture is the same whichever
layer got a plane; only the work differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from compositor.output.plane import Plane, PlaneBudget, PlaneKind
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect


class Why(StrEnum):
    """Why a layer was or was not given a plane."""

    FILLS = "it fills the screen"
    IS_CURSOR = "it is the cursor"
    SAVES = "it needs not be composed"
    HIDDEN = "something opaque covers it"
    BELOW = "something over it is composed"
    SMALLER = "it does not fill the screen exactly, and no overlay is free"
    MIXED = "it is blended with what is below it"
    FORMAT = "no free plane reads its format"
    SHAPE = "no free plane shows it so: scaled, turned or translucent"
    SIZE = "it is larger than the cursor plane"
    NO_CURSOR = "no cursor plane is free"
    ORDER = "no free plane can be stacked so"
    FORBIDDEN = "direct scan-out is switched off"


class Wish(NamedTuple):
    """A layer that would like a plane.

    Attributes:
        bounds: What it covers of the screen; not empty.
        format: Of its buffer; None: one that no plane reads.
        opaque: Whether nothing shines through.
        cursor: Whether it is a cursor.
        scale: Factors (x, y) from its buffer to the screen; None: it is shown in a way that no plane can.
    """

    bounds: Rect
    format: PixelFormat | None
    opaque: bool
    cursor: bool
    scale: tuple[float, float] | None = (1.0, 1.0)


class Grant(NamedTuple):
    """What became of a wish: a plane, or None, and why."""

    plane: Plane | None
    why: Why


class Assignment(NamedTuple):
    """What became of all wishes.

    Attributes:
        grants: In the order of the wishes.
        direct: Index of the one that is on the primary plane; None: that has the composition.
    """

    grants: tuple[Grant, ...]
    direct: int | None


def assign(
    budget: PlaneBudget, wishes: Sequence[Wish], screen: Rect, *, black: bool, direct: bool = True
) -> Assignment:
    """Give planes to layers.

    Args:
        budget: The output's planes.
        wishes: Layers that are on the screen, bottom to top.
        screen: All of it.
        black: Whether the background is black. Then the lowest layer may have an alpha channel and be scanned
            out all the same: premultiplied OVER black adds nothing.
        direct: Whether a layer may have the primary plane.
    """
    if not wishes:
        return Assignment((), None)
    cover = max(
        (i for i, wish in enumerate(wishes) if wish.opaque and wish.bounds.contains(screen)), default=0
    )
    hidden = [Grant(None, Why.HIDDEN)] * cover
    obstacle = _obstacle(budget.primary, wishes[cover], screen, black and not cover)
    if obstacle is None and not direct:
        obstacle = Why.FORBIDDEN
    fills = wishes[cover].bounds == screen
    placed = _place(budget, wishes, range(cover + fills, len(wishes)))
    if not fills:
        return Assignment((*hidden, *placed), None)
    if obstacle is None and all(grant.plane is not None for grant in placed):
        return Assignment((*hidden, Grant(budget.primary, Why.FILLS), *placed), cover)
    return Assignment((*hidden, Grant(None, obstacle or Why.BELOW), *placed), None)


def _obstacle(primary: Plane, wish: Wish, screen: Rect, black_below: bool) -> Why | None:
    """What keeps a layer from the primary plane."""
    if wish.bounds != screen:
        return Why.SMALLER
    if not wish.opaque and not black_below:
        return Why.MIXED
    return _misfit(primary, wish)


def _misfit(plane: Plane, wish: Wish) -> Why | None:
    """What a plane cannot do for a layer."""
    if wish.format not in plane.formats:
        return Why.FORMAT
    least, most = plane.scale
    if wish.scale is None or not all(least <= factor <= most for factor in wish.scale):
        return Why.SHAPE
    if plane.max_size is not None:
        width, height = plane.max_size
        if wish.bounds.width > width or wish.bounds.height > height:
            return Why.SIZE
    return None


def _place(budget: PlaneBudget, wishes: Sequence[Wish], layers: range) -> list[Grant]:
    """Give the planes above the primary to some of the layers, the others of which are composed."""
    cursors, overlays = budget.of(PlaneKind.CURSOR), budget.of(PlaneKind.OVERLAY)
    refused = {i: Why.NO_CURSOR if wishes[i].cursor else Why.SMALLER for i in layers}
    order = [i for i in layers if overlays or (cursors and wishes[i].cursor)]
    order.sort(
        key=lambda i: (wishes[i].cursor, i if wishes[i].cursor else wishes[i].bounds.area), reverse=True
    )
    given: dict[int, Plane] = {}
    progress = bool(order)
    while progress:  # who got a plane may have lain over others
        progress = False
        for index in order:
            if index in given:
                continue
            planes = (*cursors, *overlays) if wishes[index].cursor else overlays
            free = [plane for plane in planes if plane not in given.values()]
            if free:
                plane, refused[index] = _fit(free, wishes, layers, index, given)
                if plane is not None:
                    given[index] = plane
                    progress = True
    return [Grant(given.get(index), refused[index]) for index in layers]


def _fit(
    free: Sequence[Plane], wishes: Sequence[Wish], layers: range, index: int, given: dict[int, Plane]
) -> tuple[Plane | None, Why]:
    """One of the free planes for a layer, beside those that are given already."""
    wish = wishes[index]
    composed = (wishes[i].bounds for i in layers if i > index and i not in given)
    if any(not bounds.intersect(wish.bounds).empty for bounds in composed):
        return None, Why.BELOW
    misfits = [_misfit(plane, wish) for plane in free]
    for plane, misfit in zip(free, misfits, strict=True):
        if misfit is None and _stacks(wishes, {**given, index: plane}):
            return plane, Why.IS_CURSOR if wish.cursor else Why.SAVES
    return None, next((misfit for misfit in misfits if misfit is not None), Why.ORDER)


def _stacks(wishes: Sequence[Wish], given: dict[int, Plane]) -> bool:
    """Whether the planes can be put in the order of their layers, as far as these lie over each other."""
    places: dict[int, int] = {}
    for index in sorted(given):
        lowest, highest = given[index].zpos
        bounds = wishes[index].bounds
        below = [z for i, z in places.items() if not wishes[i].bounds.intersect(bounds).empty]
        places[index] = max(max(below, default=0) + 1, lowest)
        if places[index] > highest:
            return False
    return True
