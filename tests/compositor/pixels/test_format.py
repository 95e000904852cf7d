import numpy as np
import pytest
from numpy.typing import NDArray

from compositor.errors import BadInput
from compositor.pixels.format import (
    OUTPUT_FORMAT,
    AnyFormat,
    PixelFormat,
    SampledFormat,
    check_layout,
    size_of,
)

FOURCC = {
    "XRGB8888": 0x34325258, "ARGB8888": 0x34325241, "BGRX8888": 0x34325842, "BGRA8888": 0x34324142,
    "RGBX8888": 0x34325852, "RGBA8888": 0x34324152, "XBGR8888": 0x34324258, "ABGR8888": 0x34324241,
}  # fmt: skip


@pytest.mark.parametrize("name", FOURCC)
def test_channels_lie_in_memory_as_the_drm_name_says(name: str) -> None:
    """drm_fourcc.h names the channels of a little-endian word, the highest byte first."""
    member, memory = PixelFormat[name], name[:4][::-1]
    assert (member.red, member.green, member.blue) == tuple(memory.index(c) for c in "RGB")
    assert member.has_alpha == ("A" in memory)
    assert member.alpha == memory.index("A" if member.has_alpha else "X")


@pytest.mark.parametrize(("name", "number"), FOURCC.items())
def test_a_format_is_found_by_fourcc_as_text_and_as_number(name: str, number: int) -> None:
    member = PixelFormat[name]
    assert PixelFormat.from_fourcc(number) is member
    assert PixelFormat.from_fourcc(number.to_bytes(4, "little").decode()) is member


@pytest.mark.parametrize("code", ["NV12", "", 0, 0x34325259, 1 << 40, -1])
def test_any_other_fourcc_is_refused_by_name(code: str | int) -> None:
    with pytest.raises(BadInput, match=f"pixel format {code!r} is not one of: XR24 AR24"):
        PixelFormat.from_fourcc(code)


def test_outputs_are_xrgb() -> None:
    assert OUTPUT_FORMAT is PixelFormat.XRGB8888


def planes(width: int, height: int, element: int, padding: int = 0) -> NDArray[np.uint8]:
    pitch = width * element + padding
    return np.ndarray((height, width, element), np.uint8, bytes(pitch * height), 0, (pitch, element, 1))


@pytest.mark.parametrize("pixel_format", [*PixelFormat, *SampledFormat])
def test_every_format_has_a_layout_with_padded_rows(pixel_format: AnyFormat) -> None:
    element = 4 if isinstance(pixel_format, PixelFormat) else pixel_format.pixel_bytes
    chroma = planes(3, 2, 2, 5) if pixel_format is SampledFormat.NV12 else None
    pixels = planes(5, 3, element, 7)
    check_layout(pixels, pixel_format, chroma)
    assert size_of(pixels, pixel_format) == (10 if pixel_format is SampledFormat.YUYV else 5, 3)


@pytest.mark.parametrize(
    ("pixels", "pixel_format", "chroma", "message"),
    [
        (
            planes(5, 3, 4),
            SampledFormat.RGB888,
            None,
            r"is \(height, width, 3\) uint8, not \(3, 5, 4\) uint8",
        ),
        (planes(5, 3, 2)[:, ::2], SampledFormat.RGB565, None, "rows must be contiguous and apart"),
        (planes(5, 3, 4)[::-1], PixelFormat.XRGB8888, None, "rows must be contiguous and apart, not strides"),
        (planes(5, 3, 4)[:0], PixelFormat.XRGB8888, None, r"not \(0, 5, 4\)"),
        (planes(5, 3, 1), SampledFormat.NV12, None, "format NV12 has a chroma plane"),
        (planes(5, 3, 2), SampledFormat.RGB565, planes(3, 2, 2), "format RGB565 has no chroma plane"),
        (planes(5, 3, 1), SampledFormat.NV12, planes(2, 2, 2), r"is \(2, 3\) pairs, not \(2, 2\)"),
    ],
)
def test_planes_that_hold_no_picture_of_their_format_are_refused(
    pixels: NDArray[np.uint8], pixel_format: AnyFormat, chroma: NDArray[np.uint8] | None, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        check_layout(pixels, pixel_format, chroma)
