"""`terminal`: a log that scrolls by without end, smoothly, in colour.

What line n says depends on n and the seed alone. Lines are drawn once, into strips as wide as the picture; a
frame copies the strips that are visible, and the title bar over them.
"""

from __future__ import annotations

from collections import OrderedDict
from random import Random

import numpy as np
from numpy.typing import NDArray

from guest.workloads.desktop import ACCENTS, FAINT, INK
from guest.workloads.font import Font, font
from guest.workloads.shapes import Box, Canvas, Colour
from guest.workloads.stamp import hide_stamp

_ROWS = 34  # of text in a picture, where letters do not get too small
_PAPER: Colour = (19, 20, 31)
_BAR: Colour = (36, 38, 56)
_KEPT = 160  # strips
_SPEED = 7  # lines of text in a second of 60 frames

_UNITS = ("display", "fence", "memory", "guest", "ring", "output", "scene", "clock")
_DEEDS = ("create blob", "attach backing", "set scanout", "flush", "present", "signal", "map pages", "commit")
_MOODS: tuple[tuple[str, Colour], ...] = (
    *[("ok  ", ACCENTS[2])] * 3, ("info", ACCENTS[4]), ("wait", ACCENTS[1]), ("late", ACCENTS[0]),
)  # fmt: skip

Words = list[tuple[str, Colour]]


class Terminal:
    """The workload; see the module.

    Args:
        seed: Of what the lines say.
    """

    name = "terminal"
    opaque = True

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._size = (0, 0)
        self._font = font(8)
        self._head = np.empty((0, 0, 4), np.uint8)
        self._strips: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()

    def draw(self, frame: int, pixels: NDArray[np.uint8]) -> None:
        """Draw frame number `frame` into `pixels`, (height, width, 4) uint8, B8G8R8X8."""
        height, width = pixels.shape[:2]
        if self._size != (width, height):
            self._prepare(width, height)
        line_height = self._font.height
        line, part = divmod(frame * line_height * _SPEED // 60, line_height)
        y = len(self._head) - part
        while y < height:
            strip = self._strip(line)
            top = max(y, len(self._head))
            bottom = min(y + line_height, height)
            pixels[top:bottom] = strip[top - y : bottom - y]
            y += line_height
            line += 1
        pixels[: len(self._head)] = self._head
        hide_stamp(pixels, frame)

    def _prepare(self, width: int, height: int) -> None:
        self._size = (width, height)
        self._font = font(max(height // _ROWS, 8))
        self._strips.clear()
        self._head = _title_bar(width, min(round(self._font.height * 1.7), height))

    def _strip(self, line: int) -> NDArray[np.uint8]:
        strip = self._strips.get(line)
        if strip is None:
            strip = _draw(_words(line, self._seed), self._font, self._size[0])
            self._strips[line] = strip
            if len(self._strips) > _KEPT:
                self._strips.popitem(last=False)
        return strip


def _title_bar(width: int, height: int) -> NDArray[np.uint8]:
    canvas = Canvas(width, height)
    canvas.box(Box(-1, -1, width + 2, height + 2), _BAR)
    canvas.box(Box(-1, height - 1, width + 2, 1), (0, 0, 0), alpha=0.5)
    for place, colour in enumerate(ACCENTS[:3]):
        canvas.disc(height * (0.62 + 0.5 * place), height * 0.5, height * 0.15, colour)
    letters = font(max(height // 2, 6), bold=True)
    title = "guest: journal --follow"
    canvas.text(max((width - len(title) * letters.width) // 2, 0), height // 4, title, letters, FAINT)
    return canvas.rounded()


def _words(line: int, seed: int) -> Words:
    """What line number `line` says."""
    random = Random(seed << 32 ^ line)
    milliseconds = line * 1000 // _SPEED + random.randrange(100)
    words: Words = [(f"{milliseconds // 1000:>6}.{milliseconds % 1000:03} ", FAINT)]
    kind = random.randrange(16)
    if kind == 0:
        command = f"--frames {random.randrange(1, 40) * 60} --seed {random.randrange(100)} --clock virtual"
        return [*words, ("\u276f ", ACCENTS[2]), ("run ", INK), (command, ACCENTS[4])]
    if kind == 1:
        done = random.randrange(4, 81)
        bar = "=" * done + ">"
        return [*words, ("build ", INK), (f"[{bar:<81}]", ACCENTS[5]), (f" {done * 100 // 80:>3}%", INK)]
    mood, colour = random.choice(_MOODS)
    unit = random.choice(_UNITS)
    words += [(f"{mood} ", colour), (f"{unit:<8}", ACCENTS[_UNITS.index(unit) % 3 + 3])]
    words.append((f"{random.choice(_DEEDS):<15}", INK))
    words.append(
        (f" {random.choice((640, 1024, 1280, 1920)):>4} px, {random.randrange(1, 512):>3} runs ", FAINT)
    )
    words.append((f"{random.getrandbits(32):#010x} ", ACCENTS[1]))
    took = random.randrange(2, 900)
    words.append((f"{took / 100:.2f} ms  ", FAINT))
    words.append(("#" * (took // 28), colour))
    return words


def _draw(words: Words, letters: Font, width: int) -> NDArray[np.uint8]:
    """A strip of (font height, width, 4) uint8 with the words on it."""
    strip = np.empty((letters.height, width, 4), np.uint8)
    strip[:] = (*_PAPER[::-1], 255)
    x = letters.width
    for text, colour in words:
        cover = letters.coverage(text)[:, : max(width - x, 0), None].astype(np.int32)
        part = strip[:, x : x + cover.shape[1], :3]
        paper, ink = np.array(_PAPER[::-1]), np.array(colour[::-1])
        part[:] = (paper * (255 - cover) + ink * cover + 127) // 255
        x += cover.shape[1]
    return strip
