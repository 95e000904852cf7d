"""A still picture of any source: an array, a Pillow image, a PNG file; decoded when it is looked at."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from compositor.compare.png import LARGEST, LARGEST_FILE, Encoding, Pixels, Png, to_rgba
from compositor.errors import BadInput
from compositor.files import open_regular

if TYPE_CHECKING:
    from PIL import Image

Source: TypeAlias = "Still | Pixels | Image.Image | str | os.PathLike[str]"
"""What can be compared. An array is (height, width) or (height, width, 1 to 4), of uint8 or uint16: grey,
grey with alpha, RGB or RGBA."""

_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")  # of Pillow's: those that RGBA holds exactly


class Still:
    """A picture whose pixels may not be decoded yet.

    Attributes:
        size: (width, height).
        encoding: How a file stores it; None of what is no file.
        stored_hash: `golden.pixel_hash` of the pixels where a file that can be trusted says it, else None.
    """

    def __init__(
        self,
        size: tuple[int, int],
        decode: Callable[[], Pixels],
        *,
        encoding: Encoding | None = None,
        stored_hash: str | None = None,
    ) -> None:
        self.size = size
        self.encoding = encoding
        self.stored_hash = stored_hash
        self._decode = decode

    @cached_property
    def pixels(self) -> Pixels:
        """(height, width, 4), RGBA, uint8 or uint16.

        Raises:
            BadInput: The file is damaged.
        """
        return self._decode()

    @classmethod
    def of(cls, source: Source) -> Still:
        """The picture of a source; a path is that of a PNG file.

        Raises:
            BadInput: The file cannot be read, or the array or the image is of no kind that is compared.
        """
        if isinstance(source, Still):
            return source
        if isinstance(source, str | os.PathLike):
            from compositor.compare.golden import open_golden  # noqa: PLC0415 - which is a `Still`

            return open_golden(source)
        pixels = of_array(source) if isinstance(source, np.ndarray) else _of_pillow(source)
        return cls((pixels.shape[1], pixels.shape[0]), lambda: pixels)


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The content of a file that may be a PNG.

    Raises:
        BadInput: There is no such regular file, or it is larger than any screenshot's.
    """
    try:
        with open_regular(Path(path)) as file:
            if os.fstat(file.fileno()).st_size > LARGEST_FILE:
                raise BadInput(f"cannot read {path}: it has more than {LARGEST_FILE} bytes")
            return file.read()
    except (OSError, ValueError) as error:  # a NUL character
        reason = error.strerror if isinstance(error, OSError) else None
        raise BadInput(f"cannot read {path}: {reason or error}") from None


def load_png(path: str | os.PathLike[str]) -> Pixels:
    """The pixels of a PNG file, (height, width, 4), RGBA, exactly: uint16 of a file of 16 bits, else uint8.

    Raises:
        BadInput: There is no such regular file, it is no PNG, it is damaged or animated, or it has more
            pixels than a screenshot can have.
    """
    return Png.parse(str(path), read_file(path)).decode()


def of_array(array: Pixels) -> Pixels:
    """(height, width, 4) of grey, RGB or RGBA; the same array where it is RGBA.

    Raises:
        BadInput: It has another shape or type.
    """
    shape = array.shape
    channels = shape[2] if len(shape) == 3 else 1
    if array.dtype not in (np.uint8, np.uint16) or len(shape) not in (2, 3) or channels not in (1, 2, 3, 4):
        raise BadInput(
            f"an array of shape {shape} and type {array.dtype} is no picture: "
            "give (height, width[, 1 to 4]) of uint8 or uint16"
        )
    if max(shape[:2]) > LARGEST:
        raise BadInput(f"an array of {shape[1]}x{shape[0]} pixels: a picture has at most {LARGEST}x{LARGEST}")
    return to_rgba(array.reshape(*shape[:2], channels))


def _of_pillow(image: Any) -> Pixels:
    pillow = sys.modules.get("PIL.Image")  # an image of Pillow's has imported it
    if pillow is None or not isinstance(image, pillow.Image):
        raise BadInput(f"{type(image).__name__} is no picture: give an array, a Pillow image or a PNG's path")
    if image.mode.startswith("I;16"):
        return of_array(np.asarray(image).astype(np.uint16))
    if image.mode not in _MODES:
        raise BadInput(f"a Pillow image of mode {image.mode!r}: convert it to RGBA first")
    return of_array(np.asarray(image.convert("RGBA")))
