"""The reference renderer: slow, obvious, in integers, from the definitions.

It shares no line with the fast renderer beside it, and tests hold that one to it bit for bit. It lies here
and not among the tests, because it also draws planes where numba is missing, and because another renderer,
written for this project or compared with it, needs something to be equal to.

Pictures are (height, width, 4) arrays of int64 here: blue, green, red, alpha, colours premultiplied.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from compositor.pixels.format import PixelFormat, SampledFormat
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import (
    ONE,
    BlendMode,
    ColorEncoding,
    ColorRange,
    Filter,
    PlaneState,
    Rotation,
)
from compositor.render.layer import Layer

Picture = NDArray[np.int64]
Positions = NDArray[np.int64]


def compose(
    target: NDArray[np.uint8],
    layers: Sequence[Layer],
    damage: Iterable[Rect],
    background: int = 0,
    *,
    linear_light: bool = False,
) -> None:
    """What a renderer shall do to `target`, with every layer blended in full.

    Args:
        target: (height, width, 4) uint8, XRGB8888.
        layers: Bottom to top.
        damage: What is painted of `target`.
        background: 0xRRGGBB below all layers.
        linear_light: As `compositor.render.linear` does it, else as `compositor.render.cpu`.
    """
    blend = over_in_linear_light if linear_light else over
    screen = Rect(0, 0, target.shape[1], target.shape[0])
    picture = np.zeros((screen.height, screen.width, 4), np.int64)
    picture[:] = (background & 255, background >> 8 & 255, background >> 16 & 255, 255)
    for layer in layers:
        piece = layer.bounds.intersect(screen)
        if not piece.empty:
            below = picture[piece.y : piece.bottom, piece.x : piece.right]
            below[:] = blend(sample(layer, piece), below)
    for rect in damage:
        inside = rect.intersect(screen)
        window = slice(inside.y, inside.bottom), slice(inside.x, inside.right)
        target[window] = picture[window]


def over(above: Picture, below: Picture) -> Picture:
    """Porter and Duff's OVER for premultiplied colours; a sum that is too large saturates."""
    kept = divided(below * (255 - above[..., 3:]), 255)
    picture: Picture = np.minimum(above + kept, 255)
    return picture


def over_in_linear_light(above: Picture, below: Picture) -> Picture:
    """As `over`, by amounts of light in 65535ths; pixels without alpha change nothing."""
    alpha = above[..., 3:]
    straight = np.minimum(divided(above * 255, np.maximum(alpha, 1)), 255)
    mixed = divided(_light(straight) * alpha + _light(below) * (255 - alpha), 255) / 65535
    code = np.where(mixed <= 0.0031308, 12.92 * mixed, 1.055 * mixed ** (1 / 2.4) - 0.055)
    picture: Picture = np.where(alpha > 0, np.rint(255 * code).astype(np.int64), below)
    picture[..., 3] = 255
    return picture


def _light(code: Picture) -> Picture:
    """IEC 61966-2-1, in 65535ths, rounded to nearest."""
    value = code / 255
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    rounded: Picture = np.rint(65535 * light).astype(np.int64)
    return rounded


def divided(value: Picture, by: int | Picture) -> Picture:
    """The quotient rounded to the nearest integer, halves up."""
    return (2 * value + by) // (2 * by)


def sample(layer: Layer, piece: Rect) -> Picture:
    """What a part of the screen, within the layer's bounds, shows of the layer alone."""
    image = _premultiplied(layer)
    width, height = layer.image_size
    columns = np.arange(piece.x, piece.right) - layer.x
    rows = np.arange(piece.y, piece.bottom) - layer.y
    x, y = _axes(layer.plane, width, height)
    if layer.plane.rotation.swaps_axes:
        picture = _FILTERS[layer.plane.scaling_filter](image, x, rows, y, columns).transpose(1, 0, 2)
    else:
        picture = _FILTERS[layer.plane.scaling_filter](image, x, columns, y, rows)
    return divided(picture * layer.plane.alpha, 65535)


def _premultiplied(layer: Layer) -> Picture:
    """The whole image, upright, in its own size."""
    picture = _decoded(layer)
    if not layer.format.has_alpha or layer.plane.blend_mode is BlendMode.NONE:
        picture[..., 3] = 255
    if layer.plane.blend_mode is BlendMode.COVERAGE:
        picture[..., :3] = divided(picture[..., :3] * picture[..., 3:], 255)
    return picture


def _decoded(layer: Layer) -> Picture:
    """The channels as they are stored, in eight bits."""
    stored, pixel_format = layer.pixels.astype(np.int64), layer.format
    if isinstance(pixel_format, PixelFormat):
        order = (pixel_format.blue, pixel_format.green, pixel_format.red, pixel_format.alpha)
        return stored[..., order]
    if pixel_format.is_yuv:
        return _rgb(*_yuv(layer, stored), layer.plane.color_encoding, layer.plane.color_range)
    words = (stored << 8 * np.arange(pixel_format.pixel_bytes)).sum(axis=2)
    match pixel_format:
        case SampledFormat.RGB565:
            channels = [(words, 5), (words >> 5, 6), (words >> 11, 5), (words * 0, 1)]
        case SampledFormat.RGB888:
            channels = [(words, 8), (words >> 8, 8), (words >> 16, 8), (words * 0, 1)]
        case SampledFormat.BGR888:
            channels = [(words >> 16, 8), (words >> 8, 8), (words, 8), (words * 0, 1)]
        case _:
            channels = [(words, 10), (words >> 10, 10), (words >> 20, 10), (words >> 30, 2)]
    return np.stack([_eight_bits(value % (1 << bits), bits) for value, bits in channels], axis=-1)


def _eight_bits(value: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """The first eight of a channel's bits, repeated without end."""
    while bits < 8:
        value, bits = value << bits | value, 2 * bits
    return value >> (bits - 8)


def _yuv(layer: Layer, stored: Picture) -> tuple[Picture, Picture, Picture]:
    """Y, Cb and Cr of each pixel."""
    width, height = layer.image_size
    if layer.format is SampledFormat.YUYV:
        pairs = stored[:, np.arange(width) // 2]
        luma = stored.reshape(height, -1, 2)[..., 0]
        return luma, pairs[..., 1], pairs[..., 3]
    assert layer.chroma is not None
    blocks = layer.chroma.astype(np.int64)[np.arange(height)[:, None] // 2, np.arange(width) // 2]
    return stored[..., 0], blocks[..., 0], blocks[..., 1]


def _rgb(y: Picture, cb: Picture, cr: Picture, encoding: ColorEncoding, color_range: ColorRange) -> Picture:
    """The standards' equations, with factors in 2^-20."""
    kr, kb = {
        ColorEncoding.BT601: (Fraction(299, 1000), Fraction(114, 1000)),
        ColorEncoding.BT709: (Fraction(2126, 10000), Fraction(722, 10000)),
        ColorEncoding.BT2020: (Fraction(2627, 10000), Fraction(593, 10000)),
    }[encoding]
    kg = 1 - kr - kb
    black, luma_steps, chroma_steps = (16, 219, 224) if color_range is ColorRange.LIMITED else (0, 255, 255)
    zero = Fraction(0)
    by_channel = (  # factors of Cb and Cr
        (2 * (1 - kb), zero),
        (-2 * (1 - kb) * kb / kg, -2 * (1 - kr) * kr / kg),
        (zero, 2 * (1 - kr)),
    )
    channels = []
    for of_cb, of_cr in by_channel:
        a = round(Fraction(255, luma_steps) * 2**20)
        b, c = (round(Fraction(255, chroma_steps) * factor * 2**20) for factor in (of_cb, of_cr))
        value = divided(a * (y - black) + b * (cb - 128) + c * (cr - 128), 2**20)
        channels.append(value.clip(0, 255))
    return np.stack([*channels, np.zeros_like(y)], axis=-1)


class _Axis:
    """One axis of the buffer, and the line of the screen's pixels that lies along it."""

    def __init__(self, start: int, length: int, size: int, backwards: bool) -> None:
        self.start, self.end = start, start + length
        self.first, self.last = start // ONE, -(-self.end // ONE) - 1
        self.backwards, self.length, self.size = backwards, length, size
        self.step = (2 * length + size) // (2 * size)  # length / size, rounded

    def centres(self, pixels: Positions) -> Positions:
        """Positions, 16.16, of the screen's pixels' centres; half a step is rounded up, as in pixman."""
        if self.backwards:
            return self.end - pixels * self.step - self.step // 2
        return self.start + pixels * self.step + (self.step + 1) // 2

    def inside(self, indices: Positions) -> Positions:
        """The nearest pixels that the source rectangle touches."""
        return np.minimum(np.maximum(indices, self.first), self.last)

    def edges(self, pixel: int) -> tuple[int, int]:
        """What a pixel of the screen covers, 16.16."""
        near, far = pixel * self.length // self.size, (pixel + 1) * self.length // self.size
        if self.backwards:
            return self.end - far, self.end - near
        return self.start + near, self.start + far


def _axes(plane: PlaneState, width: int, height: int) -> tuple[_Axis, _Axis]:
    """The buffer's two axes.

    A buffer turned counter clockwise by 90 degrees has its upper right corner on the upper left, so that the
    screen runs backwards through its columns; by 270 degrees, backwards through its rows.
    """
    source = plane.source_of(width, height)
    size = plane.size_of(width, height)
    across, down = size[::-1] if plane.rotation.swaps_axes else size
    backwards_x = Rotation.ROTATE_90 in plane.rotation or Rotation.ROTATE_180 in plane.rotation
    backwards_y = Rotation.ROTATE_180 in plane.rotation or Rotation.ROTATE_270 in plane.rotation
    backwards_x ^= Rotation.REFLECT_X in plane.rotation
    backwards_y ^= Rotation.REFLECT_Y in plane.rotation
    return _Axis(source.x, source.width, across, backwards_x), _Axis(
        source.y, source.height, down, backwards_y
    )


def _nearest(image: Picture, x: _Axis, columns: Positions, y: _Axis, rows: Positions) -> Picture:
    """The pixel that a centre lies in; on an edge, the one with the smaller number."""
    across = x.inside((x.centres(columns) - 1) // ONE)
    down = y.inside((y.centres(rows) - 1) // ONE)
    return image[down[:, None], across]


def _bilinear(image: Picture, x: _Axis, columns: Positions, y: _Axis, rows: Positions) -> Picture:
    """Between the four pixels around a centre, by distances cut to 128ths; the sum is rounded down."""
    u, v = x.centres(columns) - ONE // 2, y.centres(rows) - ONE // 2
    picture = np.zeros((len(rows), len(columns), 4), np.int64)
    for below in (0, 1):
        for right in (0, 1):
            far_x, far_y = u % ONE // 512, (v % ONE // 512)[:, None]
            weight = (far_x if right else 128 - far_x) * (far_y if below else 128 - far_y)
            pixels = image[y.inside(v // ONE + below)[:, None], x.inside(u // ONE + right)]
            picture += pixels * weight[..., None]
    return picture // (128 * 128)


def _box(image: Picture, x: _Axis, columns: Positions, y: _Axis, rows: Positions) -> Picture:
    """The mean of what a pixel of the screen covers, rounded to nearest."""
    picture = np.zeros((len(rows), len(columns), 4), np.int64)
    for j, row in enumerate(rows.tolist()):
        for i, column in enumerate(columns.tolist()):
            across, down = _cover(*x.edges(column)), _cover(*y.edges(row))
            weights = np.array(list(down.values()))[:, None, None] * np.array(list(across.values()))[:, None]
            covered = image[np.array(list(down))[:, None], np.array(list(across))]
            picture[j, i] = divided((covered * weights).sum(axis=(0, 1)), int(weights.sum()))
    return picture


def _cover(begin: int, end: int) -> dict[int, int]:
    """How much, in 65536ths, lies between two positions, by pixel."""
    pixels = range(begin // ONE, -(-end // ONE))
    return {pixel: min(end, (pixel + 1) * ONE) - max(begin, pixel * ONE) for pixel in pixels}


_FILTERS = {Filter.NEAREST: _nearest, Filter.BILINEAR: _bilinear, Filter.BOX: _box}
