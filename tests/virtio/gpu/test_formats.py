"""The eight formats, against DRM's names for them."""

from __future__ import annotations

import pytest

from virtio.gpu.formats import Format


@pytest.mark.parametrize(
    ("number", "fourcc", "has_alpha"),
    [
        (1, "AR24", True),
        (2, "XR24", False),
        (3, "BA24", True),
        (4, "BX24", False),
        (67, "AB24", True),
        (68, "RX24", False),
        (121, "RA24", True),
        (134, "XB24", False),
    ],
)
def test_each_number_has_its_drm_name_both_ways(number: int, fourcc: str, has_alpha: bool) -> None:
    found = Format(number)
    assert (found.fourcc, found.has_alpha) == (fourcc, has_alpha)
    assert Format.from_fourcc(fourcc) is found


def test_drm_names_are_virtio_s_read_backwards() -> None:
    """DRM writes a little-endian word's most significant byte first, virtio memory's first byte first."""
    drm = {
        "AR": "ARGB",
        "XR": "XRGB",
        "BA": "BGRA",
        "BX": "BGRX",
        "AB": "ABGR",
        "RX": "RGBX",
        "RA": "RGBA",
        "XB": "XBGR",
    }
    for known in Format:
        assert known.name[::2] == drm[known.fourcc[:2]][::-1]


def test_another_drm_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'NV12' is not a virtio-gpu format, which are: AR24, XR24"):
        Format.from_fourcc("NV12")
