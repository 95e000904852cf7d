"""Where a scanout of a guest appears, and what its guest is told about that.

An adapter, as `compositor.adapter.display` is: a place on our outputs becomes virtio's `DisplayMode`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compositor.errors import BadInput, Misuse
from compositor.output.mode import MAX_SIZE, MIN_SIZE
from compositor.output.output import Output
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import OPAQUE, TRANSFORMS, Rotation, parse_transform
from compositor.scene.layout import FARTHEST, bounding_box
from virtio.arguments import check_type, shown
from virtio.gpu.display import DisplayMode


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one scanout of a guest appears.

    Attributes:
        output: Index of the output; None: wherever (x, y) lies in the layout of the outputs, so that it
            may span several.
        x: Position of its left edge on the output, pixels.
        y: As `x`, of its top edge.
        width: Size that the guest is told; None: the output's, or what all outputs together cover.
        height: As `width`.
        z: Stacking order; later guests lie above earlier ones of the same z.
        mirrors: Further outputs that show the same at the same place.
        clip: (x, y, width, height) of what is shown of the scanout's picture, turned; None: all of it.
        opacity: From 0, which is invisible, to 1.
        transform: How the picture is turned, one of `compositor.pixels.plane_state.TRANSFORMS`.
    """

    output: int | None = 0
    x: int = 0
    y: int = 0
    width: int | None = None
    height: int | None = None
    z: int = 0
    mirrors: tuple[int, ...] = ()
    clip: tuple[int, int, int, int] | None = None
    opacity: float = 1.0
    transform: str = "normal"

    @property
    def outputs(self) -> tuple[int, ...] | None:
        """Indices of the outputs that show it; None: those that it lies on."""
        return None if self.output is None else (self.output, *self.mirrors)

    @property
    def clip_rect(self) -> Rect | None:
        """`clip` as a rectangle."""
        return None if self.clip is None else Rect(*self.clip)

    @property
    def alpha(self) -> int:
        """`opacity` as planes have it, 0 to 0xffff."""
        return round(self.opacity * OPAQUE)

    @property
    def rotation(self) -> Rotation:
        """`transform` as planes have it."""
        return TRANSFORMS[self.transform]


def display_mode(place: Placement, outputs: Sequence[Output]) -> DisplayMode:
    """What a guest is told about the monitor behind a scanout: of several, the first that is plugged in."""
    behind = outputs if place.outputs is None else [outputs[index] for index in place.outputs]
    plugged = [output for output in behind if output.plugged]
    first = (plugged or behind)[0]
    width, height = first.mode[:2]
    if place.output is None and plugged:
        box = bounding_box(outputs)
        width, height = min(box.right - place.x, MAX_SIZE), min(box.bottom - place.y, MAX_SIZE)
    if place.rotation.swaps_axes:
        width, height = height, width
    return DisplayMode(
        place.width or max(width, MIN_SIZE),
        place.height or max(height, MIN_SIZE),
        first.mode.refresh_mhz,
        enabled=bool(plugged),
        name=first.name,
    )


def place_name(place: Placement, outputs: Sequence[Output]) -> str:
    """The output, for messages."""
    return "the layout" if place.output is None else outputs[place.output].name


def check_places(places: object) -> None:
    """Refuse what is no list of placements.

    Raises:
        Misuse: It is not, or an empty one.
    """
    if not isinstance(places, Sequence) or not places or not all(isinstance(p, Placement) for p in places):
        raise Misuse(f"places={shown(places)}: a list of Placement is needed, one for each scanout")


def check_placement(name: str, place: Placement, outputs: int) -> None:
    """Refuse a placement that cannot be shown, by the name of what is wrong.

    Raises:
        BadInput: No such output, one that is named twice, a position or a clip that is none, a size that no
            mode can have, an opacity or a transform that is none.
    """
    _check_types(name, place)
    for output in place.outputs or ():
        if not 0 <= output < outputs:
            raise BadInput(f"guest {name}: no output {output}; there are {outputs}, counted from 0")
    if len(set(place.outputs or ())) < len(place.outputs or ()):
        raise BadInput(f"guest {name}: an output cannot mirror itself")
    if place.output is None and place.mirrors:
        raise BadInput(f"guest {name}: mirrors belong to an output, and a place in the layout has none")
    if max(abs(place.x), abs(place.y)) > FARTHEST:
        raise BadInput(f"guest {name}: {place.x},{place.y} is beyond {FARTHEST} pixels")
    clip = place.clip
    if clip is not None and (min(clip) < 0 or max(clip) > FARTHEST or Rect(*clip).empty):
        raise BadInput(f"guest {name}: clip {list(clip)} shows nothing; it is [x, y, width, height]")
    if not 0 <= place.opacity <= 1:
        raise BadInput(f"guest {name}: opacity {place.opacity:g} is not in 0 to 1")
    parse_transform(place.transform)
    for what, size in (("width", place.width), ("height", place.height)):
        if size is not None and not MIN_SIZE <= size <= MAX_SIZE:
            raise BadInput(f"guest {name}: {what} {size} is not in {MIN_SIZE} to {MAX_SIZE}")


def _check_types(name: str, place: Placement) -> None:
    check_type(f"guest {name}: place", place, Placement, "a Placement")
    for what in ("output", "x", "y", "width", "height", "z"):
        value = getattr(place, what)
        if value is not None or what in ("x", "y", "z"):
            check_type(f"guest {name}: {what}", value, int, "a whole number")
    for mirror in _each(f"guest {name}: mirrors", place.mirrors):
        check_type(f"guest {name}: mirrors", mirror, int, "a whole number in each place")
    if place.clip is not None and len(_each(f"guest {name}: clip", place.clip)) != 4:
        raise Misuse(f"guest {name}: clip={shown(place.clip)}: (x, y, width, height) is needed")
    check_type(f"guest {name}: opacity", place.opacity, (int, float), "a number from 0 to 1")
    check_type(f"guest {name}: transform", place.transform, str, "a word")


def _each(name: str, numbers: object) -> tuple[object, ...]:
    check_type(name, numbers, (tuple, list), "a tuple of whole numbers")
    return tuple(numbers)  # type: ignore[arg-type]
