"""`video`: a film in NV12, as a decoder gives it, converted to RGB by the guest.

A flight over hills at dusk, with black bars above and below, as in a cinema. A frame is *decoded* (painted)
into an NV12 buffer, a plane of luma and one of chroma at half the size, and converted as ITU-R BT.709 says
for limited range: virtio-gpu itself has no format for it.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from guest.workloads.compiled import compiled
from guest.workloads.desktop import FAINT, INK
from guest.workloads.font import font
from guest.workloads.shapes import Canvas, gradient
from guest.workloads.stamp import hide_stamp
from guest.workloads.trig import sine_table

_SKY = ((16, 16, 58), (62, 34, 104), (182, 70, 110), (255, 146, 96), (255, 214, 150))
_LAYERS = ((150, 74, 118), (96, 50, 104), (54, 32, 80), (22, 14, 40))  # hills, the farthest first
_MIST = (255, 176, 130)
_SPEEDS = (1, 2, 4, 8)  # pixels in two frames of a picture 1080 rows high
_TURN_BITS = 12
_LENGTH = 60 * 60 * 2  # of the film, frames

# BT.709, limited range, in 1/65536: luma 16 to 235, chroma 16 to 240.
_Y_GAIN, _V_RED, _U_GREEN, _V_GREEN, _U_BLUE = 76_309, 117_489, -13_975, -34_925, 138_438
_TO_YUV = np.array(((0.2126, 0.7152, 0.0722), (-0.114572, -0.385428, 0.5), (0.5, -0.454153, -0.045847)))


class Nv12(NamedTuple):
    """A picture as decoders give it; sizes are even.

    Attributes:
        luma: (height, width) uint8.
        chroma: (height / 2, width / 2, 2) uint8: U and V.
    """

    luma: NDArray[np.uint8]
    chroma: NDArray[np.uint8]


class Video:
    """The workload; see the module.

    Args:
        seed: Of the hills.
    """

    name = "video"
    opaque = True

    def __init__(self, seed: int = 0) -> None:
        random = Random(seed)
        self._phases = np.array([[random.getrandbits(_TURN_BITS) for _ in range(3)] for _ in _LAYERS])
        self._sines = sine_table(1 << _TURN_BITS, 1 << 12)
        self._size = (0, 0)
        self._sky = self._film = Nv12(np.empty((0, 0), np.uint8), np.empty((0, 0, 2), np.uint8))
        self._tones = np.empty((0, 0, 3), np.uint8)
        self._bars = (0, 0)

    def draw(self, frame: int, pixels: NDArray[np.uint8]) -> None:
        """Draw frame number `frame` into `pixels`, (height, width, 4) uint8, B8G8R8X8."""
        height, width = pixels.shape[:2]
        if self._size != (width, height):
            self._prepare(width, height)
        ridges = self._ridges(frame)
        decode(self._film, self._sky, ridges, np.argsort(ridges >> 8, axis=1, kind="stable"), self._tones)
        top, bottom = self._bars
        visible = Nv12(self._film.luma[top:], self._film.chroma[top // 2 :])
        convert(visible, pixels.view(np.uint32)[top:bottom, :, 0])
        pixels[:top] = pixels[bottom:] = (0, 0, 0, 255)
        _controls(frame, pixels[bottom:])
        hide_stamp(pixels, frame)

    def _prepare(self, width: int, height: int) -> None:
        self._size = (width, height)
        even = (height + 1) // 2 * 2, (width + 1) // 2 * 2
        self._film = Nv12(np.empty(even, np.uint8), np.empty((even[0] // 2, even[1] // 2, 2), np.uint8))
        bar = max((height - width * 100 // 235) // 2, height // 12) // 2 * 2
        self._bars = bar, height - bar
        veil = np.clip(1 - np.arange(even[0]) * 7 / height, 0, 1)[:, None] * 0.32
        mist = np.array(_MIST, np.float64)
        self._tones = np.array(
            [to_yuv(np.array(colour) * (1 - veil) + mist * veil) for colour in _LAYERS], np.uint8
        )
        canvas = Canvas(even[1], even[0])
        sun = canvas.distance(width * 0.68, height * 0.49) / height
        glow = (np.square(np.clip(1 - sun / 0.45, 0, 1)) * 0.6)[:, :, None]
        sky = gradient((canvas.y - bar) / (height * 0.62 - bar), _SKY)
        canvas.fill(sky * (1 - glow) + np.array(_SKY[-1]) * glow)
        canvas.paint(np.clip((0.1 - sun) * height + 0.5, 0, 1), (255, 238, 200))
        planes = to_yuv(canvas.colour[:, :, ::-1] * 255)
        chroma = planes[:, :, 1:].reshape(even[0] // 2, 2, even[1] // 2, 2, 2)
        self._sky = Nv12(
            planes[:, :, 0].astype(np.uint8),
            (chroma.astype(np.int32).sum(axis=(1, 3)) + 2 >> 2).astype(np.uint8),
        )

    def _ridges(self, frame: int) -> NDArray[np.int32]:
        """How far down each row of hills begins in each column, (layers, width) in 1/256 pixels."""
        height, width = self._film.luma.shape
        columns = np.arange(width)
        mask = (1 << _TURN_BITS) - 1
        ridges = np.empty((len(_LAYERS), width), np.int32)
        for layer, speed in enumerate(_SPEEDS):
            x = columns * (1080 << 4) // height + (frame * speed << 3)
            a, b, c = self._phases[layer]
            waves = (
                self._sines[(x * (10 + 3 * layer) >> 6) + a & mask]
                + self._sines[(x * (24 + 5 * layer) >> 6) + b & mask] // 2
                + self._sines[(x * 71 >> 6) + c & mask] // 6
            )
            base = height * (52 + 9 * layer) * 256 // 100
            ridges[layer] = base - (waves * (height * (11 - layer)) >> 10) * 5 // 8
        return ridges


def to_yuv(colours: NDArray[np.float64]) -> NDArray[np.int32]:
    """Y, U, V of R'G'B' colours, 0 to 255, in the last axis; BT.709, limited range."""
    red, green, blue = colours[..., 0], colours[..., 1], colours[..., 2]
    planes = [row[0] * red + row[1] * green + row[2] * blue for row in _TO_YUV]
    luma = 16 + planes[0] * (219 / 255)
    yuv = np.stack([luma, *(128 + p * (224 / 255) for p in planes[1:])], axis=-1)
    return np.asarray(np.rint(yuv), np.int32)


def _controls(frame: int, bar: NDArray[np.uint8]) -> None:
    """How far the film is, in the bar below it."""
    height, width = bar.shape[:2]
    letters = font(max(height // 3, 6))
    seconds = frame // 60 % (_LENGTH // 60)
    text = letters.coverage(f"{seconds // 60:02}:{seconds % 60:02}")
    left, middle = letters.width, height // 2
    start, end = left + text.shape[1] + letters.width, width - letters.width * 2
    thick = max(height // 24, 1)
    if end <= start or middle + letters.height > height:
        return
    part = bar[middle - letters.height // 2 :, left:][: letters.height, : text.shape[1], :3]
    part[:] = text[:, :, None].astype(np.int32) * np.array(INK[::-1]) // 255
    track = bar[middle - thick // 2 :][: thick + 1, start:end, :3]
    track[:] = np.array(FAINT[::-1]) // 2
    done = (end - start) * (frame % _LENGTH) // _LENGTH
    track[:, :done] = _LAYERS[0][::-1]
    knob = bar[middle - 2 * thick :, max(start + done - 2 * thick, 0) :]
    knob[: 4 * thick, : 4 * thick, :3] = INK[::-1]


@compiled
def decode(
    film: Nv12,
    sky: Nv12,
    ridges: NDArray[np.int32],
    order: NDArray[np.intp],
    tones: NDArray[np.uint8],
) -> None:
    """Paint a frame, row by row: in each column the nearest hill that has begun, else the sky.

    Args:
        film: Where to.
        sky: What lies behind.
        ridges: (layers, width): where each begins, 1/256 pixels.
        order: (layers, width): the columns of each layer, the one that begins first at first.
        tones: (layers, height, 3): Y, U, V of each layer, by the distance from its ridge.
    """
    layers, width = ridges.shape
    front, begin = np.full(width, -1, np.int32), np.zeros(width, np.int32)
    done = np.zeros(layers, np.intp)
    for y in range(film.luma.shape[0]):
        luma, behind = film.luma[y], sky.luma[y]
        for x in range(width):
            layer = front[x]
            luma[x] = behind[x] if layer < 0 else tones[layer, y - begin[x], 0]
        for layer in range(layers):
            while done[layer] < width and ridges[layer, order[layer, done[layer]]] >> 8 <= y:
                x = order[layer, done[layer]]
                done[layer] += 1
                if layer > front[x]:
                    cover = 256 - max(ridges[layer, x] - (y << 8), 0)
                    luma[x] += (int(tones[layer, 0, 0]) - int(luma[x])) * cover >> 8
                    front[x], begin[x] = layer, y
        if y & 1:
            chroma, behind_chroma = film.chroma[y >> 1], sky.chroma[y >> 1]
            for x in range(width >> 1):
                layer = front[2 * x]
                source = behind_chroma[x] if layer < 0 else tones[layer, y - begin[2 * x], 1:]
                chroma[x, 0], chroma[x, 1] = source[0], source[1]


@compiled
def convert(film: Nv12, pixels: NDArray[np.uint32]) -> None:
    """NV12 to B8G8R8X8, (height, width) uint32; a picture of odd size leaves the last row or column out.

    Row by row, and in 32 bits throughout, so that the compiler can vectorise the last loop.
    """
    height, width = pixels.shape
    even = film.luma.shape[1]
    luma, red, green, blue = np.empty((4, even), np.int32)
    black, white, point = np.int32(0), np.int32(255), np.int32(16)
    for y in range(height):
        if y & 1 == 0:
            for x in range(even):
                u, v = int(film.chroma[y >> 1, x >> 1, 0]) - 128, int(film.chroma[y >> 1, x >> 1, 1]) - 128
                red[x], green[x], blue[x] = _V_RED * v, _U_GREEN * u + _V_GREEN * v, _U_BLUE * u
        for x in range(even):
            luma[x] = (int(film.luma[y, x]) - 16) * _Y_GAIN + 32768
        line = pixels[y]
        for x in range(width):
            r = min(max(np.int32(luma[x] + red[x]) >> point, black), white)
            g = min(max(np.int32(luma[x] + green[x]) >> point, black), white)
            b = min(max(np.int32(luma[x] + blue[x]) >> point, black), white)
            line[x] = np.uint32(0xFF000000) | np.uint32(r << 16 | g << 8 | b)
