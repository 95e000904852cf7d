"""Places in a scene file: names become numbers, and shares of an output become pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from compositor.adapter.placement import Placement, check_placement
from compositor.errors import BadInput
from compositor.output.output import Output
from compositor.pixels.geometry import Rect
from compositor.scene.layout import FARTHEST, bounding_box
from compositor.scene_file.keys import at_key
from compositor.scene_file.outputs import find_output
from compositor.scene_file.schema import Move, Pixels, PlaceTable


def make_placement(table: PlaceTable, outputs: Sequence[Output], guest: str, key: str) -> Placement:
    """The placement that a table describes.

    Args:
        table: The table.
        outputs: The scene's.
        guest: The name of its guest, for messages.
        key: The table's key, for messages.

    Raises:
        BadInput: It is impossible; the message names the key.
    """
    if table.span and table.output is not None:
        raise BadInput(f"{key}.span: a place in the layout is on no particular output; leave output out")
    with at_key(f"{key}.output"):
        output = 0 if table.output is None else find_output(table.output, outputs)
    place = Placement(
        output=None if table.span else output,
        z=table.z,
        mirrors=_find_all(table.mirrors, outputs, key),
        clip=_checked_clip(table.clip, key),
    )
    area = bounding_box(outputs) if table.span else outputs[output].mode.rect
    place = _sized(place, table, area, key)
    with at_key(key):
        check_placement(guest, place, len(outputs))
    return place


def moved_placement(before: Placement, event: Move, outputs: Sequence[Output], key: str) -> Placement:
    """Where an event puts a scanout that was `before`.

    Raises:
        BadInput: It is impossible; the message names the key.
    """
    place = replace(before, z=before.z if event.z is None else event.z)
    if event.output is not None:
        with at_key(f"{key}.output"):
            place = replace(place, output=find_output(event.output, outputs), mirrors=())
    if event.mirrors is not None:
        place = replace(place, mirrors=_find_all(event.mirrors, outputs, key))
    if event.clip is not None:
        place = replace(place, clip=_checked_clip(event.clip, key))
    area = bounding_box(outputs) if place.output is None else outputs[place.output].mode.rect
    place = _sized(place, event, area, key)
    with at_key(key):
        check_placement(event.guest, place, len(outputs))
    return place


def _sized(place: Placement, table: PlaceTable | Move, area: Rect, key: str) -> Placement:
    """With the position and the size that a table says, shares being of `area`."""
    place = replace(
        place,
        x=place.x if table.x is None else _pixels(table.x, area.width, f"{key}.x"),
        y=place.y if table.y is None else _pixels(table.y, area.height, f"{key}.y"),
    )
    if table.opacity is not None:
        place = replace(place, opacity=table.opacity)
    if table.transform is not None:
        place = replace(place, transform=table.transform)
    if table.width is not None:
        place = replace(place, width=_pixels(table.width, area.width, f"{key}.width"))
    if table.height is not None:
        place = replace(place, height=_pixels(table.height, area.height, f"{key}.height"))
    return place


def _pixels(value: Pixels, whole: int, key: str) -> int:
    if isinstance(value, float) and not math.isfinite(value):
        raise BadInput(f"{key}: {value} is no number of pixels")
    pixels = round(value * whole) if isinstance(value, float) else value
    if abs(pixels) > FARTHEST:
        raise BadInput(f"{key}: {pixels} is beyond {FARTHEST} pixels")
    return pixels


def _find_all(names: Sequence[str], outputs: Sequence[Output], key: str) -> tuple[int, ...]:
    found = []
    for number, name in enumerate(names):
        with at_key(f"{key}.mirrors[{number}]"):
            found.append(find_output(name, outputs))
    return tuple(found)


def _checked_clip(clip: tuple[int, int, int, int] | None, key: str) -> tuple[int, int, int, int] | None:
    if clip is not None and (min(clip) < 0 or Rect(*clip).empty):
        raise BadInput(f"{key}.clip: {list(clip)} shows nothing; it is [x, y, width, height]")
    return clip
