"""Pictures as PNG files, and the comparison of two.

A picture is (height, width, 4) uint8 in the order R, G, B, A.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from compositor.errors import BadInput
from compositor.files import open_regular, write_atomically
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import EMPTY, Rect

Picture = NDArray[np.uint8]

_LARGEST = 8192  # pixels of a side, as of a monitor's mode
_DEFLATE_RATIO = 1032  # the most that zlib's format makes of a byte
_DIFFERENT = (255, 0, 64, 255)  # the colour of a differing pixel in a difference image


def to_rgba(pixels: NDArray[np.uint8], pixel_format: PixelFormat, *, opaque: bool = False) -> Picture:
    """A copy in the order R, G, B, A.

    Args:
        pixels: (height, width, 4) uint8, any strides.
        pixel_format: Their memory order.
        opaque: Make alpha 255 even where the format has one: true of what a monitor shows.
    """
    rgba = np.empty(pixels.shape, np.uint8)
    rgba[..., 0] = pixels[..., pixel_format.red]
    rgba[..., 1] = pixels[..., pixel_format.green]
    rgba[..., 2] = pixels[..., pixel_format.blue]
    keep_alpha = pixel_format.has_alpha and not opaque
    rgba[..., 3] = pixels[..., pixel_format.alpha] if keep_alpha else 255
    return rgba


def save_png(path: str | os.PathLike[str], rgba: Picture) -> None:
    """Write a PNG; the file appears whole or not at all.

    Raises:
        BadInput: `path` cannot be written.
    """
    with write_atomically(path) as file:
        Image.fromarray(rgba).save(file, format="PNG")


def load_png(path: str | os.PathLike[str]) -> Picture:
    """Read a PNG.

    Raises:
        BadInput: There is no such regular file, it is no PNG, it is damaged or animated, or it has more
            pixels than a screenshot can have.
    """
    try:
        with open_regular(Path(path)) as file:
            return _decoded(path, file)
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror or error}") from None


def _decoded(path: str | os.PathLike[str], file: BinaryIO) -> Picture:
    try:
        with warnings.catch_warnings():
            # `_check_size` is stricter than what this warns of.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file, formats=["PNG"]) as image:
                _check_size(path, *image.size, os.fstat(file.fileno()).st_size)
                if getattr(image, "is_animated", False):
                    raise BadInput(f"{path} is an animated PNG: give a still picture")
                return np.asarray(image.convert("RGBA"))
    except UnidentifiedImageError:
        raise BadInput(f"{path} is not a PNG") from None
    except Image.DecompressionBombError:
        raise _too_large(path) from None
    except BadInput:
        raise
    except Exception as error:  # a damaged file makes Pillow raise whatever it stumbles over
        raise BadInput(f"{path} is a damaged PNG: {error}") from None


def _check_size(path: str | os.PathLike[str], width: int, height: int, file_bytes: int) -> None:
    """Refuse a picture before memory is taken for it.

    Raises:
        BadInput: It is too large, or the file too short to hold it.
    """
    if max(width, height) > _LARGEST:
        raise _too_large(path)
    # A pixel has at least one bit, which no compressor makes smaller than this.
    if width * height // 8 > file_bytes * _DEFLATE_RATIO:
        raise BadInput(f"{path} is a damaged PNG: {file_bytes} bytes cannot hold {width}x{height} pixels")


def _too_large(path: str | os.PathLike[str]) -> BadInput:
    return BadInput(f"{path} has more than {_LARGEST}x{_LARGEST} pixels: too large for a screenshot")


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """How two pictures differ.

    Attributes:
        pixels: Number of differing pixels; those that only one of the pictures has included.
        total: Number of pixels of the smallest picture that holds both.
        largest: Largest difference of a channel, 0 to 255, where both have pixels.
        bounds: The smallest rectangle that holds all differing pixels.
        sizes: (width, height) of the two.
        image: The first picture, greyed out, with the differing pixels marked.
    """

    pixels: int
    total: int
    largest: int
    bounds: Rect
    sizes: tuple[tuple[int, int], tuple[int, int]]
    image: Picture

    @property
    def equal(self) -> bool:
        """Whether there is none, in the pixels and in the size."""
        return not self.pixels and self.sizes[0] == self.sizes[1]

    def __str__(self) -> str:
        if self.equal:
            return "equal"
        sizes = (
            "" if self.sizes[0] == self.sizes[1] else " (sizes {}x{} and {}x{})".format(*sum(self.sizes, ()))
        )
        x, y, width, height = self.bounds
        return (
            f"{self.pixels} of {self.total} pixels differ, by up to {self.largest}, "
            f"within {width}x{height} at ({x}, {y}){sizes}"
        )


def compare(a: Picture, b: Picture, fuzz: int = 0) -> Difference:
    """Compare two pictures pixel by pixel.

    Args:
        a: (height, width, 4) uint8 RGBA.
        b: As `a`; another size is a difference.
        fuzz: Channels may differ by so much, 0 to 255.
    """
    height, width = max(a.shape[0], b.shape[0]), max(a.shape[1], b.shape[1])
    common = (slice(min(a.shape[0], b.shape[0])), slice(min(a.shape[1], b.shape[1])))
    first, second = a[common], b[common]
    distance = (np.maximum(first, second) - np.minimum(first, second)).max(axis=2, initial=0)
    differs = np.ones((height, width), np.bool_)
    differs[common] = distance > fuzz
    outside = np.ones((height, width), np.bool_)
    outside[: a.shape[0], : a.shape[1]] = False
    outside[: b.shape[0], : b.shape[1]] = False
    differs &= ~outside  # corners that neither has
    return Difference(
        pixels=int(differs.sum()),
        total=height * width - int(outside.sum()),
        largest=int(distance.max(initial=0)),
        bounds=_extents(differs),
        sizes=((a.shape[1], a.shape[0]), (b.shape[1], b.shape[0])),
        image=_marked(a, differs),
    )


def _extents(mask: NDArray[np.bool_]) -> Rect:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return EMPTY
    x, y = int(columns[0]), int(rows[0])
    return Rect(x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y)


def _marked(picture: Picture, differs: NDArray[np.bool_]) -> Picture:
    image = np.zeros((*differs.shape, 4), np.uint8)
    grey = picture[..., :3].mean(axis=2).astype(np.uint8) // 2 + 96
    image[: picture.shape[0], : picture.shape[1], :3] = grey[..., np.newaxis]
    image[..., 3] = 255
    image[differs] = _DIFFERENT
    return image
