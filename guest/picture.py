"""Pictures of one's own: what an author has as an array, as a Pillow image or in a PNG, for a guest to show.

A picture is red, green, blue and alpha to its author, as `Machine.screenshot` returns it; how a guest keeps
it (format, stride, blob or 2D resource) is chosen beside that. Colours are premultiplied by alpha, as every
compositor takes them: an array is taken as it is, an image of Pillow's or a PNG, which are not, is
multiplied.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from guest.damage import Damage, Rectangles, checked_damage, joined
from virtio.errors import Misuse
from virtio.gpu.formats import BYTES_PER_PIXEL, Format
from virtio.regular import read_regular

if TYPE_CHECKING:
    from PIL.Image import Image

ResourceKind = Literal["blob", "2d"]

SMALLEST, LARGEST = 16, 16_384
"""Pixels along a side that the device takes (`virtio.gpu.limits.Limits`)."""

_MOST_BYTES = 1 << 28  # of a PNG
_WIDE_MODES = ("I", "F")  # Pillow's, of more than 8 bits a channel; also "I;16" and its kind


class Picture:
    """A picture that a simulated guest shows, and shows anew when it is changed.

    Args:
        content: (height, width, 4) uint8 red, green, blue, alpha; (height, width, 3) without alpha;
            (height, width) grey; an image of Pillow's; or the path of a PNG. 16 to 16384 pixels a side.
        format: Of the guest's framebuffer, as virtio names it ("B8G8R8X8") or as DRM does ("XR24"). By
            default B8G8R8A8 for what has alpha, else B8G8R8X8.
        stride: Bytes from one row of the framebuffer to the next; None: as many as the pixels take.
        resource: "blob": the host shows the guest's own pages. "2d": it copies what has changed
            (TRANSFER_TO_HOST_2D), and the guest has one framebuffer, without a stride of its own.
        name: For people and statistics.

    Attributes:
        format: As given.
        stride: As given.
        resource: As given.
        name: As given.
        size: (width, height), pixels.
        listeners: Called with the damage of each change.

    Raises:
        Misuse: The content is no such thing or has a wrong type, shape or size; or the rest does not go with
            it.
    """

    def __init__(
        self,
        content: NDArray[Any] | Image | str | Path,
        *,
        format: Format | str | None = None,  # noqa: A002 - the field's word
        stride: int | None = None,
        resource: ResourceKind = "blob",
        name: str = "picture",
    ) -> None:
        self.name = name
        rgba, has_alpha = _decoded(content, name)
        default = Format.B8G8R8A8 if has_alpha else Format.B8G8R8X8
        self.format = default if format is None else Format.named(format)
        height, width = rgba.shape[:2]
        if min(width, height) < SMALLEST or max(width, height) > LARGEST:
            raise Misuse(
                f"{name}: {width}x{height} pixels: a scanout shows {SMALLEST} to {LARGEST} along each side"
            )
        self.size: tuple[int, int] = (width, height)
        self._check_memory(stride, resource)
        self.stride, self.resource = stride, resource
        self.listeners: list[Callable[[Damage], None]] = []
        self._rgba = rgba

    def _check_memory(self, stride: int | None, resource: str) -> None:
        tight = self.size[0] * BYTES_PER_PIXEL
        if resource not in ("blob", "2d"):
            raise Misuse(f'{self.name}: resource={resource!r}: there are "blob" and "2d"')
        if stride is None:
            return
        if not tight <= stride < 1 << 32:
            raise Misuse(f"{self.name}: stride={stride}: {self.size[0]} pixels take {tight} bytes at least")
        if resource == "2d" and stride != tight:
            raise Misuse(f"{self.name}: stride={stride}: rows of a 2D resource have {tight} bytes here")

    @property
    def opaque(self) -> bool:
        """Whether its format has no alpha."""
        return not self.format.has_alpha

    @property
    def rgba(self) -> NDArray[np.uint8]:
        """A copy of what it is now: (height, width, 4) uint8 red, green, blue, alpha."""
        return self._rgba.copy()

    def show(self, content: NDArray[Any] | Image | str | Path, damage: Rectangles = None) -> None:
        """Change it; its guests show this in the next refresh, and of several changes the last.

        Args:
            content: As for a new picture, of the same size.
            damage: (x, y, width, height) of each rectangle that differs from before; None: everything. What
                lies outside of them may appear or not, as with a driver that says less than it changed.

        Raises:
            Misuse: The content is wrong or of another size, or a rectangle is not inside of it; nothing has
                changed.
        """
        rgba, _ = _decoded(content, self.name)
        if rgba.shape != self._rgba.shape:
            height, width = rgba.shape[:2]
            raise Misuse(
                f"{self.name}: {width}x{height} pixels: it has {self.size[0]}x{self.size[1]}; "
                "for another size, show another picture"
            )
        checked = checked_damage(damage, self.size, self.name)
        self._rgba = rgba
        for listener in tuple(self.listeners):
            listener(checked)

    def __repr__(self) -> str:
        width, height = self.size
        return f"<Picture {self.name} {width}x{height} {self.format.name} {self.resource}>"

    def write(self, pixels: NDArray[np.uint8]) -> None:
        """Write it into a framebuffer: (height, width, 4) uint8 in the order of `format`, any strides."""
        for byte, channel in enumerate(self.format.channels):
            pixels[..., byte] = self._rgba[..., channel]


class ShownPicture:
    """A picture as the workload of one guest, which draws it when it has changed.

    Args:
        picture: The picture.
        changed: Called when there is something new to draw.
    """

    def __init__(self, picture: Picture, changed: Callable[[], None]) -> None:
        self.picture = picture
        self.name, self.opaque, self.format = picture.name, picture.opaque, picture.format
        self._changed = changed
        self._damage: Damage = None

    def draw(self, _frame: int, pixels: NDArray[np.uint8]) -> Damage:
        """Draw what the picture is now; what of it is new since the last time."""
        self.picture.write(pixels)
        damage, self._damage = self._damage, ()
        return damage

    def follow(self) -> None:
        """Hear of changes from now on."""
        self._damage = None
        self.picture.listeners.append(self._hear)

    def leave(self) -> None:
        """Hear of nothing more."""
        self.picture.listeners.remove(self._hear)

    def _hear(self, damage: Damage) -> None:
        self._damage = joined(self._damage, damage)
        self._changed()


def _decoded(content: Any, name: str) -> tuple[NDArray[np.uint8], bool]:
    """A copy as (height, width, 4) uint8 RGBA, and whether it has alpha.

    Raises:
        Misuse: It is not a picture.
    """
    if isinstance(content, str | Path):
        return _from_png(Path(content))
    if isinstance(content, np.ndarray):
        return _from_array(content, name)
    if type(content).__module__.partition(".")[0] == "PIL" or hasattr(content, "getbands"):
        return _from_image(content, name)
    raise Misuse(
        f"{name}: {type(content).__name__} is no picture: give an array, an image of Pillow's or a PNG's path"
    )


def _from_array(array: NDArray[Any], name: str) -> tuple[NDArray[np.uint8], bool]:
    if array.dtype != np.uint8:
        raise Misuse(f"{name}: an array of {array.dtype}: channels are uint8, 0 to 255")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise Misuse(
            f"{name}: an array of shape {array.shape}: give (height, width, 4), (height, width, 3) or "
            "(height, width)"
        )
    rgba = np.full((*array.shape[:2], 4), 255, np.uint8)
    if array.ndim == 2:
        rgba[..., :3] = array[..., None]
    else:
        rgba[..., : array.shape[2]] = array
    return rgba, array.ndim == 3 and array.shape[2] == 4


def _from_image(image: Image, name: str) -> tuple[NDArray[np.uint8], bool]:
    if image.mode.partition(";")[0] in _WIDE_MODES:
        raise Misuse(f"{name}: an image of mode {image.mode}: scanouts have 8 bits a channel; convert it")
    has_alpha = "A" in image.mode or "a" in image.mode or "transparency" in image.info
    rgba = np.array(image.convert("RGBA"))
    alpha = rgba[..., 3:].astype(np.uint16)
    rgba[..., :3] = (rgba[..., :3] * alpha + 127) // 255  # premultiplied, rounded
    return rgba, has_alpha


def _from_png(path: Path) -> tuple[NDArray[np.uint8], bool]:
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - for those who use it

    try:
        content = BytesIO(read_regular(path, _MOST_BYTES))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the size is checked here
            with Image.open(content, formats=["PNG"]) as image:
                if max(image.size) > LARGEST:
                    raise Misuse(f"{path}: more than {LARGEST} pixels along a side")
                return _from_image(image, str(path))
    except UnidentifiedImageError:
        raise Misuse(f"{path} is not a PNG") from None
    except OSError as error:
        raise Misuse(f"cannot read {path}: {error.strerror or error}") from None
    except Misuse:
        raise
    except Exception as error:  # a damaged file makes Pillow raise whatever it stumbles over
        raise Misuse(f"{path} is a damaged PNG: {error}") from None
