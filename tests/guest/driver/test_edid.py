import pytest
from hypothesis import given
from hypothesis import strategies as st

from guest.driver.edid import preferred_timing
from virtio.gpu.display import DisplayMode
from virtio.gpu.edid import make_edid


@pytest.mark.parametrize(
    ("width", "height", "refresh"),
    [
        (1024, 768, 60_000),
        (1920, 1080, 144_000),
        (3840, 2160, 60_000),
        (7680, 4320, 60_000),
        (64, 64, 30_000),
    ],
)
def test_the_devices_own_edids_are_read(width: int, height: int, refresh: int) -> None:
    timing = preferred_timing(make_edid(DisplayMode(width, height, refresh)))
    assert timing is not None
    assert (timing.width, timing.height) == (width, height)
    assert timing.refresh_mhz == pytest.approx(refresh, rel=0.005)


def sealed(block: bytearray) -> bytes:
    block[127] = 0
    block[127] = -sum(block) % 256
    return bytes(block)


def test_a_damaged_extension_leaves_the_base_blocks_timing() -> None:
    edid = bytearray(make_edid(DisplayMode(7680, 4320)))
    edid[140] ^= 1
    timing = preferred_timing(bytes(edid))
    assert timing is not None
    assert timing.width < 4096


def test_a_displayid_block_without_a_timing_leaves_the_base_blocks() -> None:
    edid = make_edid(DisplayMode(7680, 4320))
    extension = bytearray(edid[128:])
    extension[5:126] = bytes(121)
    timing = preferred_timing(edid[:128] + sealed(extension))
    assert timing is not None
    assert timing.width < 4096


def test_a_base_block_without_a_timing_has_none() -> None:
    edid = bytearray(make_edid(DisplayMode(1024, 768)))
    edid[54:72] = bytes(18)
    assert preferred_timing(sealed(edid)) is None


@pytest.mark.parametrize("edid", [b"", bytes(128), make_edid(DisplayMode(800, 600))[:127] + b"\x99"])
def test_what_is_no_edid_has_no_timing(edid: bytes) -> None:
    assert preferred_timing(edid) is None


@given(st.binary(max_size=300))
def test_arbitrary_bytes_do_no_harm(content: bytes) -> None:
    block = bytearray(bytes.fromhex("00ffffffffffff00") + content[:120].ljust(120, b"\0"))
    extension = bytearray(b"\x70" + content[120:].ljust(127, b"\0")[:127])
    preferred_timing(sealed(block) + sealed(extension))
