"""The samples of a long run as a picture: one small curve for each quantity, from 0 upwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from compositor.commands.studies.soak_sample import Sample, Trend
from compositor.pixels.screenshot import save_png

_CELL, _MARGIN, _COLUMNS = (440, 170), 14, 2
_HEAD = 40  # for the title of a curve, and that of the picture
_INK, _FAINT, _GOOD, _BAD = (40, 40, 40), (215, 215, 215), (0, 102, 170), (200, 30, 30)
_ROOM = 1.25  # above the highest value
_MIB = 1 << 20


def plot(path: Path, title: str, samples: Sequence[Sample], trends: Sequence[Trend]) -> None:
    """Write the picture, as PNG.

    Raises:
        BadInput: `path` cannot be written.
    """
    rows = -(-len(trends) // _COLUMNS)
    size = (_COLUMNS * _CELL[0], _HEAD + rows * _CELL[1])
    picture = Image.new("RGBA", size, (255, 255, 255, 255))
    draw = ImageDraw.Draw(picture)
    draw.text((_MARGIN, _MARGIN), title, _INK, ImageFont.load_default(16))
    for index, trend in enumerate(trends):
        row, column = divmod(index, _COLUMNS)
        _curve(draw, (column * _CELL[0], _HEAD + row * _CELL[1]), trend, samples)
    save_png(path, np.asarray(picture))


def _curve(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], trend: Trend, samples: Sequence[Sample]
) -> None:
    """One cell: what it is, its range, and the curve over the time of the run."""
    left, top = corner[0] + _MARGIN, corner[1] + _HEAD
    right, bottom = corner[0] + _CELL[0] - _MARGIN, corner[1] + _CELL[1] - _MARGIN
    colour = _GOOD if trend.flat else _BAD
    values = [float(getattr(sample, trend.name)) for sample in samples]
    most, last = (max(values) or 1.0) * _ROOM, samples[-1].seconds
    word = "flat" if trend.flat else "grows"
    text = f"{trend.name}: {shown(trend.name, min(values))} to {shown(trend.name, max(values))}, {word}"
    draw.text((left, corner[1] + _MARGIN), text, colour, ImageFont.load_default(13))
    draw.line([(left, top), (left, bottom), (right, bottom)], _FAINT)
    points = [
        (left + (right - left) * sample.seconds / last, bottom - (bottom - top) * value / most)
        for sample, value in zip(samples, values, strict=True)
    ]
    draw.line(points, colour, 2)


def shown(name: str, value: float) -> str:
    """A value of a quantity, with its unit."""
    if name in ("resident", "own"):
        return f"{value / _MIB:.1f} MiB"
    return f"{value:.2f} ms" if name.endswith("_ms") else f"{value:g}"
