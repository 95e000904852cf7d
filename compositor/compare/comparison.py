"""Two pictures, compared: by hash where one is stored, else band by band; what is equal is looked at once.

Only bands of rows that differ are looked at pixel by pixel, and the picture of a difference is painted when
it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compositor.compare import region
from compositor.compare.differing import Differing, find
from compositor.compare.golden import pixel_hash
from compositor.compare.region import Region
from compositor.compare.still import Source, Still
from compositor.compare.tolerance import CHANNELS, EXACT, Tolerable, Tolerance
from compositor.pixels.geometry import EMPTY, Rect


@dataclass(frozen=True, eq=False)
class Comparison:
    """What came out of a comparison.

    Attributes:
        expected: The first picture.
        actual: The second.
        tolerance: What was allowed.
        equal: The verdict: whether they are equal within the tolerance, colours stored differently included.
        count: Pixels that differ by more than the tolerance allows a pixel; those that only one picture has
            included.
        forgiven: Pixels that differ by less, or lie on a smoothed edge where those were overlooked.
        compared: Pixels that were compared.
        largest: For each channel, R, G, B and A, the least and the most that it differs, actual less
            expected, over all compared pixels that both have; 0 included. In levels of `depth` bits.
        depth: 8, or 16 where one of the pictures has 16 bits a channel.
        bounds: The smallest rectangle that holds the `count` pixels.
        encoding: How the two files store their colours differently (a palette, 16 bits, grey, an alpha
            channel, gamma or a profile), a phrase each. Never a reason to be unequal.
        perceptual: 1 - SSIM, where the tolerance asked for it and it had to be found.
    """

    expected: Still
    actual: Still
    tolerance: Tolerance
    equal: bool
    count: int = 0
    forgiven: int = 0
    compared: int = 0
    largest: tuple[tuple[int, int], ...] = ((0, 0),) * 4
    depth: int = 8
    bounds: Rect = EMPTY
    encoding: tuple[str, ...] = ()
    perceptual: float | None = None
    _found: Differing | None = field(default=None, repr=False)

    def __bool__(self) -> bool:
        return self.equal

    @property
    def kind(self) -> str:
        """What differs: "size", "pixels" or "encoding", the gravest of them; else "equal"."""
        if self.expected.size != self.actual.size:
            return "size"
        if self.count or self.forgiven:
            return "pixels"
        return "encoding" if self.encoding else "equal"

    @cached_property
    def image(self) -> NDArray[np.uint8]:
        """The first picture, greyed out, with the differences marked: (height, width, 4) uint8 RGBA."""
        from compositor.compare.painting import paint  # noqa: PLC0415 - only asked for after a failure

        pixels = self.expected.pixels
        return paint(pixels, self._found or find(pixels, pixels, EXACT.ranges(), None))

    def to_json(self) -> dict[str, Any]:
        """What `scanout compare --json` prints."""
        return {
            "equal": self.equal,
            "kind": self.kind,
            "sizes": [list(self.expected.size), list(self.actual.size)],
            "differing": self.count,
            "forgiven": self.forgiven,
            "compared": self.compared,
            "bounds": list(self.bounds),
            "depth": self.depth,
            "largest": {name: list(pair) for name, pair in zip(CHANNELS, self.largest, strict=True)},
            "encoding": list(self.encoding),
            "tolerance": str(self.tolerance),
            "perceptual": self.perceptual,
        }

    def __str__(self) -> str:
        stored = f"; stored differently: {', '.join(self.encoding)}" if self.encoding else ""
        if self.kind in ("equal", "encoding"):
            return f"equal{stored}"
        said = [self._sizes(), self._differing(), self._forgiven(), self._perceptual()]
        verdict = "equal within the tolerance: " if self.equal else ""
        return verdict + "; ".join(filter(None, said)) + stored

    def _sizes(self) -> str:
        first, second = self.expected.size, self.actual.size
        return "" if first == second else "sizes {}x{} and {}x{}".format(*first, *second)

    def _differing(self) -> str:
        if not self.count:
            return ""
        x, y, width, height = self.bounds
        signed = ", ".join(
            f"{name} {_signed(pair)}" for name, pair in zip(CHANNELS, self.largest, strict=True) if any(pair)
        )
        most = max(max(-low, high) for low, high in self.largest)
        levels = f"{most} of 65535" if self.depth == 16 else most
        return (
            f"{self.count} of {self.compared} pixels differ, by up to {levels}, "
            f"within {width}x{height} at ({x}, {y})" + (f" ({signed})" if signed else "")
        )

    def _forgiven(self) -> str:
        return f"{self.forgiven} within {self.tolerance}" if self.forgiven else ""

    def _perceptual(self) -> str:
        return "" if self.perceptual is None else f"perceptual difference {self.perceptual:.4f}"


def compare(
    expected: Source,
    actual: Source,
    *,
    tolerance: Tolerable = None,
    mask: Region | None = None,
    clip: Region | None = None,
) -> Comparison:
    """Compare two pictures.

    Args:
        expected: An array of grey, RGB or RGBA, uint8 or uint16; a Pillow image; a PNG's path; a `Still`,
            such as `open_golden` gives.
        actual: As `expected`. Another size is a difference.
        tolerance: What may differ; nothing by default. See `Tolerance`.
        mask: What is left out: a rectangle (x, y, width, height), a list of them, a boolean array, or the
            path of a black and white PNG.
        clip: What is compared, given in the same way; all by default.

    Raises:
        BadInput: A picture cannot be read, or the tolerance, mask or clip makes no sense for these.
    """
    first, second, allowed = Still.of(expected), Still.of(actual), Tolerance.of(tolerance)
    inside = region.compared(first.size, mask, clip)
    encoding: tuple[str, ...] = ()
    if first.encoding is not None and second.encoding is not None:
        encoding = first.encoding.against(second.encoding)
    if first is second or (first.size == second.size and _same_hash(first, second)):
        compared = first.size[0] * first.size[1] if inside is None else int(np.count_nonzero(inside))
        return Comparison(first, second, allowed, True, compared=compared, encoding=encoding)
    found = find(first.pixels, second.pixels, allowed.ranges(), inside)
    equal, perceptual = _judge(found, allowed)
    return Comparison(
        first,
        second,
        allowed,
        equal,
        count=found.count,
        forgiven=found.forgiven_count,
        compared=found.compared,
        largest=tuple((int(low), int(high)) for low, high in found.largest.T),
        depth=8 * found.first.itemsize,
        bounds=found.bounds,
        encoding=encoding,
        perceptual=perceptual,
        _found=found,
    )


def _judge(found: Differing, allowed: Tolerance) -> tuple[bool, float | None]:
    """Whether pictures are equal within a tolerance, and 1 - SSIM where that had to be found."""
    if allowed.antialiasing and found.count:
        from compositor.compare.antialias import forgive_smoothed_edges  # noqa: PLC0415 - asked for

        forgive_smoothed_edges(found)
    same_size = found.first.shape == found.second.shape
    if not same_size or found.count <= allowed.allowed(found.compared):
        return same_size, None
    if allowed.perceptual is None:
        return False, None
    from compositor.compare.perceptual import structural_difference  # noqa: PLC0415 - asked for, and heavy

    difference = structural_difference(found)
    return difference <= allowed.perceptual, difference


def _signed(pair: tuple[int, int]) -> str:
    """A channel's range: "+9", "-3" or "-3 to +9"."""
    return " to ".join(f"{end:+}" for end in pair if end)


def _same_hash(first: Still, second: Still) -> bool:
    """Whether the pictures are the same by hashes that one or both of their files store; decodes none."""
    if first.stored_hash is None or second.stored_hash is None:
        known, other = (first, second) if second.stored_hash is None else (second, first)
        if known.stored_hash is None or other.encoding is not None:
            return False  # a file has to be decoded: then one can look at once
        return other.pixels.dtype == np.uint8 and pixel_hash(other.pixels) == known.stored_hash
    return first.stored_hash == second.stored_hash
