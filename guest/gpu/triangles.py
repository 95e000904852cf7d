"""Triangles, textured and blended, in integers: the same pixels on every machine.

A vertex is five 32-bit integers: x and y in sixteenths of a pixel, u and v in sixteenths of a texel, and a
premultiplied B8G8R8A8 colour, by which the texture is multiplied. A pixel belongs to a triangle when its
centre lies inside, or on an edge that is a top or left one, so that triangles that share an edge share no
pixel. Attributes are interpolated linearly (no perspective), textures repeat and are sampled at the nearest
texel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from guest.workloads.compiled import compiled

_SUBPIXELS = 16


def vertices(*corners: tuple[int, int, int, int, int]) -> bytes:
    """Vertices (x, y, u, v, colour) as they lie in memory."""
    return np.array(corners, np.int64).astype(np.uint32).tobytes()


@compiled
def covered(corners: NDArray[np.int32]) -> int:
    """An upper bound of the pixels that triangles cover: half of what their bounding boxes hold.

    Args:
        corners: (3 * triangles, 5) int32.
    """
    total = 0
    for first in range(0, len(corners), 3):
        x, y = corners[first : first + 3, 0], corners[first : first + 3, 1]
        width = (int(x.max()) - int(x.min())) // _SUBPIXELS + 1
        height = (int(y.max()) - int(y.min())) // _SUBPIXELS + 1
        total += (width * height + 1) // 2
    return total


@compiled
def over(source: int, below: int) -> int:
    """A premultiplied pixel over another."""
    rest = 255 - (source >> 24)
    mixed = 0
    for shift in (0, 8, 16, 24):
        value = (source >> shift & 255) + ((below >> shift & 255) * rest + 127) // 255
        mixed |= min(value, 255) << shift
    return mixed


@compiled
def blend(source: NDArray[np.uint32], target: NDArray[np.uint32]) -> None:
    """Put (height, width) premultiplied pixels over others."""
    for row in range(target.shape[0]):
        for column in range(target.shape[1]):
            target[row, column] = over(int(source[row, column]), int(target[row, column]))


@compiled
def modulate(texel: int, colour: int) -> int:
    """One pixel times another, channel by channel."""
    mixed = 0
    for shift in (0, 8, 16, 24):
        mixed |= ((texel >> shift & 255) * (colour >> shift & 255) + 127) // 255 << shift
    return mixed


@compiled
def draw(target: NDArray[np.uint32], texture: NDArray[np.uint32], corners: NDArray[np.int32]) -> None:
    """Draw triangles over what is there.

    Args:
        target: (height, width) uint32.
        texture: (height, width) uint32; empty for none.
        corners: (3 * triangles, 5) int32.
    """
    for first in range(0, len(corners), 3):
        one(target, texture, corners[first], corners[first + 1], corners[first + 2])


@compiled
def edge(ax: int, ay: int, bx: int, by: int, x: int, y: int) -> int:
    """Twice the area of a triangle, positive when (x, y) is to the right of a to b, y down."""
    return (bx - ax) * (y - ay) - (by - ay) * (x - ax)


@compiled
def top_or_left(ax: int, ay: int, bx: int, by: int) -> int:
    """0 for an edge whose own pixels belong to the triangle, else -1."""
    return 0 if (ay == by and bx > ax) or by < ay else -1


@compiled
def reach(a: int, b: int, c: int, size: int) -> tuple[int, int]:
    """The pixels of `size` that a triangle can touch along one axis, its corners in sixteenths."""
    return max(min(a, b, c) // _SUBPIXELS, 0), min(max(a, b, c) // _SUBPIXELS + 1, size)


@compiled
def shade(
    texture: NDArray[np.uint32],
    a: NDArray[np.int32],
    b: NDArray[np.int32],
    c: NDArray[np.int32],
    wa: int,
    wb: int,
    wc: int,
) -> int:
    """The colour of a pixel whose corners have these weights, times its texel."""
    area = wa + wb + wc
    colour = 0
    for shift in (0, 8, 16, 24):
        of_a, of_b, of_c = int(a[4]) >> shift & 255, int(b[4]) >> shift & 255, int(c[4]) >> shift & 255
        colour |= (wa * of_a + wb * of_b + wc * of_c) // area << shift
    if texture.size:
        u = (wa * int(a[2]) + wb * int(b[2]) + wc * int(c[2])) // area // _SUBPIXELS
        v = (wa * int(a[3]) + wb * int(b[3]) + wc * int(c[3])) // area // _SUBPIXELS
        colour = modulate(int(texture[v % texture.shape[0], u % texture.shape[1]]), colour)
    return colour


@compiled
def one(
    target: NDArray[np.uint32],
    texture: NDArray[np.uint32],
    a: NDArray[np.int32],
    b: NDArray[np.int32],
    c: NDArray[np.int32],
) -> None:
    """Draw one triangle; its corners may come in either order."""
    if edge(int(a[0]), int(a[1]), int(b[0]), int(b[1]), int(c[0]), int(c[1])) < 0:
        b, c = c, b
    ax, ay, bx, by, cx, cy = int(a[0]), int(a[1]), int(b[0]), int(b[1]), int(c[0]), int(c[1])
    area = edge(ax, ay, bx, by, cx, cy)
    if area == 0:
        return
    bias_a, bias_b, bias_c = (
        top_or_left(bx, by, cx, cy),
        top_or_left(cx, cy, ax, ay),
        top_or_left(ax, ay, bx, by),
    )
    top, bottom = reach(ay, by, cy, target.shape[0])
    left, right = reach(ax, bx, cx, target.shape[1])
    for row in range(top, bottom):
        y = row * _SUBPIXELS + _SUBPIXELS // 2
        for column in range(left, right):
            x = column * _SUBPIXELS + _SUBPIXELS // 2
            wa, wb, wc = edge(bx, by, cx, cy, x, y), edge(cx, cy, ax, ay, x, y), edge(ax, ay, bx, by, x, y)
            if wa + bias_a >= 0 and wb + bias_b >= 0 and wc + bias_c >= 0:
                colour = shade(texture, a, b, c, wa, wb, wc)
                target[row, column] = over(colour, int(target[row, column]))
