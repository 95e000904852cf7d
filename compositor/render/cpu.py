"""The CPU renderer: layers and a damage list in, an XRGB8888 picture out, exact in every bit.

The compiled kernel paints the whole damage list in one pass (`compositor.render.fused`). Where it is missing,
does not pay yet, or meets an image whose pixels do not adjoin, numpy does, piece by piece
(`compositor.render.pieces`). Either way a pixel under an opaque window is never touched, and a picture does
not depend on how it was damaged, nor on who painted it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import ModuleType

import numpy as np

from compositor.pixels.format import OUTPUT_FORMAT
from compositor.pixels.geometry import Rect
from compositor.pixels.region import Region
from compositor.render import blend, lanes, pieces
from compositor.render.fused import tables
from compositor.render.fused.tables import Record
from compositor.render.layer import Layer, Pixels

__all__ = ["Layer", "compose"]

_NOTHING = tables.record(np.empty((0, 0, 4), np.uint8), OUTPUT_FORMAT, True)


def compose(
    target: Pixels,
    layers: Sequence[Layer],
    damage: Iterable[Rect],
    background: int = 0,
    *,
    run: lanes.Run = lanes.run,
) -> list[int]:
    """Paint the damaged rectangles.

    Args:
        target: (height, width, 4) uint8, XRGB8888 (B, G, R, 0xff in memory); rows may be padded.
        layers: Bottom to top; may reach beyond the target. The lowest may be the target itself: what is above
            it is blended in place. No other overlaps with it in memory.
        damage: Rectangles of the target; disjoint, or their common pixels are painted twice.
        background: 0xRRGGBB below all layers.
        run: `lanes.on_this_thread` to use no other.

    Returns:
        Bytes that each layer contributed to `target`, four for each of its pixels that no opaque layer
        covers, and last those of the background.
    """
    screen = Rect(0, 0, target.shape[1], target.shape[0])
    rects = [part for rect in damage if not (part := rect.intersect(screen)).empty]
    records = [layer.record for layer in layers]
    kernel = _kernel(target, layers, records, rects)
    if kernel is None:
        return pieces.compose(target, layers, rects, background)
    if None not in records:
        return _fused(kernel, target, layers, records, rects, background, run)
    sampled = Region(layer.bounds for layer, record in zip(layers, records, strict=True) if record is None)
    plain = rects
    for bounds in sampled:
        plain = [rest for rect in plain for rest in rect.subtract(bounds)]
    written = _fused(kernel, target, layers, records, plain, background, run)
    for bounds in sampled:
        cut = [part for rect in rects if not (part := rect.intersect(bounds)).empty]
        more = pieces.compose(target, layers, cut, background)
        written = [sum(both) for both in zip(written, more, strict=True)]
    return written


def _kernel(
    target: Pixels, layers: Sequence[Layer], records: Sequence[Record | None], rects: Sequence[Rect]
) -> ModuleType | None:
    """The fused kernel, if it can and should be used."""
    if not rects or not tables.can_take(target):
        return None
    if blend.is_decided():
        return blend.load()
    slow = [
        layer.bounds
        for layer, record in zip(layers, records, strict=True)
        if record is not None and not (layer.is_opaque and blend.is_copied(layer.format))
    ]
    return blend.ready(sum(rect.intersect(bounds).area for rect in rects for bounds in slow))


def _fused(
    kernel: ModuleType,
    target: Pixels,
    layers: Sequence[Layer],
    records: list[Record | None],
    rects: list[Rect],
    background: int,
    run: lanes.Run,
) -> list[int]:
    fetched: dict[int, int] = {}
    for index, layer in enumerate(layers):
        if layer.incoming is None or layer.incoming.done:
            continue
        seen = [piece for rect in rects for i, piece in pieces.pieces(rect, layers) if i == index]
        if seen == [layer.bounds] and layer.is_opaque:
            x, y, width, height = layer.bounds
            out = target[y : y + height, x : x + width]
            pieces.fetch(out, layer)
            # It is in the target already: what lies above is blended in place, the rest is done.
            records[index] = tables.record(out, OUTPUT_FORMAT, False, x, y)
            rects = _without(rects, layer.bounds, layers[index + 1 :])
            fetched[index] = 4 * layer.bounds.area
        elif seen:
            layer.incoming.finish()
    if not rects:
        return [fetched.get(index, 0) for index in range(len(layers) + 1)]
    # No rectangle touches a layer without a record.
    given = [_NOTHING if record is None else record for record in records]
    written = tables.compose(kernel, target, given, rects, background, run=run)
    for index, count in fetched.items():
        written[index] = count
    return written


def _without(rects: list[Rect], done: Rect, above: Sequence[Layer]) -> list[Rect]:
    """The rectangles but for `done`, of which only what is under other layers stays."""
    left = Region(rest for rect in rects for rest in rect.subtract(done))
    for layer in above:
        left.add(layer.bounds.intersect(done))
    return list(left)
