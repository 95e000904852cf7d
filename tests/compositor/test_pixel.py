import pytest

from compositor.errors import BadInput
from compositor.pixel import OUTPUT_FORMAT, PixelFormat

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
