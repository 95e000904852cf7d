"""What a picture is of: pixels, and the output of a machine that they come from, if they do.

From there masks and clips are found that name a guest or a node of the scene, and what a golden picture says
about its making.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compositor import __version__
from compositor.compare.png import LARGEST
from compositor.compare.region import covered
from compositor.compare.still import Still
from compositor.errors import BadInput
from compositor.machine import Machine
from compositor.machine.attachment import Attachment
from compositor.output.frame import Frame
from compositor.output.output import Output
from compositor.pixels.geometry import Rect
from compositor.pixels.screenshot import Picture
from compositor.scene.surface import Surface
from compositor.scene.tree import Node

if TYPE_CHECKING:
    from compositor.testing.machines import Opening

_MASKED = (255, 0, 255, 255)  # the colour of what is not compared, in golden pictures too


@dataclass(frozen=True, slots=True)
class Subject:
    """A picture, and what is known about where it comes from.

    Attributes:
        pixels: (height, width, 4) uint8 RGBA.
        machine: Whose output it shows; None: it is just a picture.
        output: That output.
    """

    pixels: Picture
    machine: Machine | None = None
    output: Output | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def metadata(self) -> dict[str, Any]:
        """What a golden picture says about how it was made."""
        known: dict[str, Any] = {"version": __version__}
        if self.machine is not None and self.output is not None:
            stats = self.machine.stats()
            known |= {
                "output": self.output.name,
                "mode": str(self.output.mode),
                "frame": self.output.presented_seq,
                "seed": self.machine.seed,
                "clock": stats["clock"],
                "digest": stats["digest"],
            }
        return known

    def names_within(self, rect: Rect) -> list[str]:
        """The surfaces of its output that show something there, bottom to top."""
        layers = () if self.output is None else self.output.layers
        return [layer.name for layer in layers if not layer.bounds.intersect(rect).empty]


def subject_of(picture: Any, output: Output | str | int, openings: Sequence[Opening]) -> Subject:
    """The picture that a test means.

    Args:
        picture: A machine, one of its outputs, a frame, or anything that `compositor.compare` takes.
        output: Which output, of a machine that has several.
        openings: The test's machines.

    Raises:
        BadInput: It is no picture, or of no machine of this test.
        Misuse: The output has not shown anything yet.
    """
    if isinstance(picture, Machine):
        return _of_machine(picture, output)
    if isinstance(picture, Output):
        for opening in openings:
            if opening.is_open and any(picture is one for one in opening.machine.outputs):
                return _of_machine(opening.machine, picture)
        raise BadInput(f"output {picture.name or picture.mode} belongs to no open machine of this test")
    if isinstance(picture, Frame):
        return Subject(picture.snapshot())
    pixels = Still.of(picture).pixels
    if pixels.dtype != np.uint8:
        raise BadInput("a picture of 16 bits a channel: golden pictures have 8")
    return Subject(pixels)


def _of_machine(machine: Machine, which: Output | str | int) -> Subject:
    output = find_output(machine, which)
    return Subject(machine.screenshot(machine.outputs.index(output)), machine, output)


def find_output(machine: Machine, which: Output | str | int) -> Output:
    """One of a machine's outputs, by itself, its name or its number.

    Raises:
        BadInput: There is no such output.
    """
    for index, output in enumerate(machine.outputs):
        if which is output or which in (output.name, index):
            return output
    raise BadInput(f"no output {which!r}; there are {', '.join(o.name for o in machine.outputs)}")


# Masks and clips.


def region_of(role: str, region: Any, subject: Subject) -> NDArray[np.bool_]:
    """The pixels that a mask or a clip means, (height, width).

    Args:
        role: "mask" or "clip", for messages.
        region: A rectangle (x, y, width, height), a guest or its name, a node of the scene or the name of a
            surface, a boolean array, the path of a PNG; or a list of rectangles, guests, nodes and names.
        subject: The picture.

    Raises:
        BadInput: It means nothing here.
    """
    if isinstance(region, Path | np.ndarray) or (isinstance(region, str) and region.endswith(".png")):
        return covered(role, region, subject.size)
    rectangles: list[Rect] = []
    for one in [region] if _is_one(region) else region:
        rectangles += _rectangles(role, one, subject)
    if not rectangles:
        return np.zeros(subject.size[::-1], np.bool_)
    return covered(role, rectangles, subject.size)


def _is_one(region: Any) -> bool:
    return isinstance(region, str | Attachment | Node) or (
        isinstance(region, Sequence) and bool(region) and all(isinstance(number, int) for number in region)
    )


def _rectangles(role: str, one: Any, subject: Subject) -> list[Rect]:
    if not isinstance(one, str | Attachment | Node):
        return [one]
    if subject.output is None:
        raise BadInput(
            f"{role} {one!r}: a picture without a machine has no guests and nodes; give a rectangle"
        )
    if isinstance(one, Node):
        bounds = [s.layers[subject.output].bounds for s in _surfaces(one) if subject.output in s.layers]
    else:
        bounds = _of_name(role, one if isinstance(one, str) else one.name, subject)
    whole = Rect(0, 0, *subject.size)
    return [visible for rect in bounds if not (visible := rect.intersect(whole)).empty]


def _surfaces(node: Node) -> Iterator[Surface]:
    if isinstance(node, Surface):
        yield node
    for child in node.children:
        yield from _surfaces(child)


def _of_name(role: str, name: str, subject: Subject) -> list[Rect]:
    """What a guest with all its heads and cursors covers of the output, or a surface by its own name."""
    assert subject.machine is not None
    assert subject.output is not None
    for guest in subject.machine.guests:
        if guest.name == name:
            heads = [surface for head in guest.display.heads for surface in (head.surface, head.cursor)]
            return [s.layers[subject.output].bounds for s in heads if subject.output in s.layers]
    bounds = [layer.bounds for layer in subject.output.layers if layer.name == name]
    if not bounds:
        shown = [layer.name for layer in subject.output.layers if not layer.bounds.empty]
        raise BadInput(
            f"{role} {name!r}: no guest or surface of {subject.output.name} has this name; there are "
            f"{', '.join(shown) or 'none'}"
        )
    return bounds


@dataclass(frozen=True, slots=True)
class Cut:
    """What is compared of a picture: a part of it, with what is left out painted over.

    Attributes:
        pixels: (height, width, 4) uint8 RGBA.
        mask: What is left out, (height, width); None: nothing.
        origin: (x, y) of the part in the picture.
        cells: Of an animation: what each frame covers, from the first on.
    """

    pixels: Picture
    mask: NDArray[np.bool_] | None = None
    origin: tuple[int, int] = (0, 0)
    cells: Sequence[tuple[slice, slice]] = ()


def cut(subject: Subject, mask: Any, clip: Any) -> Cut:
    """Cut out the clip, paint the mask over.

    Raises:
        BadInput: They mean nothing here, or leave nothing to compare.
    """
    if mask is None and clip is None:
        return Cut(subject.pixels)
    pixels, (x, y), left_out = subject.pixels, (0, 0), np.zeros(subject.size[::-1], np.bool_)
    if mask is not None:
        left_out |= region_of("mask", mask, subject)
    if clip is not None:
        inside = region_of("clip", clip, subject)
        left_out |= ~inside
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        if rows.size:
            x, y = int(columns[0]), int(rows[0])
            part = slice(y, rows[-1] + 1), slice(x, columns[-1] + 1)
            pixels, left_out = pixels[part], left_out[part]
    if left_out.all():
        raise BadInput("the mask and the clip leave nothing to compare")
    pixels = pixels.copy()
    pixels[left_out] = _MASKED
    return Cut(pixels, left_out if left_out.any() else None, (x, y))


# Animations.


def joined(cuts: Sequence[Cut]) -> Cut:
    """Pictures of one size side by side, row after row, as one picture; what is left over is masked.

    Raises:
        BadInput: There are none, their sizes differ, or they do not fit into one picture.
    """
    sizes = {part.pixels.shape[:2] for part in cuts}
    if len(sizes) != 1:
        said = " and ".join(f"{width}x{height}" for height, width in sorted(sizes))
        raise BadInput(f"an animation needs frames of one size, not {said or 'none'}")
    (height, width), count = sizes.pop(), len(cuts)
    columns = min(LARGEST // width, math.ceil(math.sqrt(count * height / width)))
    rows = -(-count // columns)
    if rows * height > LARGEST:
        most = (LARGEST // width) * (LARGEST // height)
        raise BadInput(
            f"{count} frames of {width}x{height}: one picture has room for {most}; clip or skip some"
        )
    pixels = np.zeros((rows * height, columns * width, 4), np.uint8)
    mask = np.ones(pixels.shape[:2], np.bool_)
    corners = [(index // columns * height, index % columns * width) for index in range(count)]
    cells = [(slice(y, y + height), slice(x, x + width)) for y, x in corners]
    for part, cell in zip(cuts, cells, strict=True):
        pixels[cell], mask[cell] = part.pixels, False if part.mask is None else part.mask
    return Cut(pixels, mask if mask.any() else None, cells=cells)


def differing_cells(part: Cut, expected: NDArray[np.uint8]) -> list[int]:
    """Numbers, from 1, of the frames of an animation that are not exactly as expected."""
    return [
        number
        for number, cell in enumerate(part.cells, 1)
        if not np.array_equal(expected[cell], part.pixels[cell])
    ]
