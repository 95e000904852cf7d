"""Pictures as PNG files, and the comparison of two.

A picture is (height, width, 4) uint8 in the order R, G, B, A.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from compositor.errors import BadInput
from compositor.files import write_atomically
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import EMPTY, Rect

Picture = NDArray[np.uint8]

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
        BadInput: There is no such file, it is no PNG, or it is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=["PNG"]) as image:
                return np.asarray(image.convert("RGBA"))
    except UnidentifiedImageError:
        raise BadInput(f"{path} is not a PNG") from None
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror or error}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadInput(
            f"{path} has more than {Image.MAX_IMAGE_PIXELS} pixels: too large for a screenshot"
        ) from None
    except (SyntaxError, ValueError) as error:  # how Pillow reports a damaged chunk
        raise BadInput(f"{path} is a damaged PNG: {error}") from None


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
