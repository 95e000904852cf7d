import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guest.workloads.stamp import MARK_WIDTH, Stamp, hide_stamp, mark_rows, read_stamp, write_stamp
from virtio.errors import Misuse


def picture(height: int = 64, width: int = 64, value: int = 0) -> np.ndarray:
    return np.full((height, width, 4), value, np.uint8)


@given(frame_id=st.integers(0, 2**24 - 1), height=st.integers(5, 300), value=st.integers(0, 255))
def test_what_was_written_is_read(frame_id: int, height: int, value: int) -> None:
    pixels = picture(height, value=value)
    write_stamp(pixels, frame_id)
    assert read_stamp(pixels) == Stamp(frame_id, torn=False)


@given(frame_id=st.integers(0, 2**24 - 1), colour=st.tuples(*[st.integers(0, 255)] * 4))
def test_a_hidden_stamp_is_read_and_not_seen(frame_id: int, colour: tuple[int, int, int, int]) -> None:
    colour = (min(colour[0], colour[3]), min(colour[1], colour[3]), min(colour[2], colour[3]), colour[3])
    pixels = np.full((40, 64, 4), colour, np.uint8)
    hide_stamp(pixels, frame_id)
    assert read_stamp(pixels) == Stamp(frame_id, torn=False)
    assert np.abs(pixels.astype(int) - np.array(colour)).max() <= 1
    assert (pixels[:, :, :3] <= pixels[:, :, 3:]).all(), "still premultiplied"


@given(st.binary(min_size=5 * MARK_WIDTH, max_size=5 * MARK_WIDTH))
def test_grey_content_is_no_hidden_stamp(content: bytes) -> None:
    pixels = np.repeat(np.frombuffer(content, np.uint8).reshape(5, MARK_WIDTH, 1) % 254 + 1, 4, axis=2)
    assert read_stamp(pixels).frame_id is None


def test_layout_is_the_documented_one() -> None:
    pixels = picture(65, value=7)
    write_stamp(pixels, 0x123456)
    word = 0xA5 << 32 | 0x123456 << 8 | (0x123456 * 0x9E3779B1 % 2**32) >> 24
    for row in (0, 16, 32, 48, 64):
        values = pixels[row, :40].copy().view("<u4")[:, 0]
        assert values.tolist() == [0xFFFFFFFF if word >> (39 - i) & 1 else 0xFF000000 for i in range(40)]
    untouched = np.ones(pixels.shape, bool)
    untouched[[0, 16, 32, 48, 64], :40] = False
    assert (pixels[untouched] == 7).all()


def test_ids_wrap_at_24_bits() -> None:
    pixels = picture()
    write_stamp(pixels, 2**24 + 3)
    assert read_stamp(pixels).frame_id == 3


@pytest.mark.parametrize("split", [1, 20, 40, 63])
def test_two_halves_of_different_frames_are_torn(split: int) -> None:
    pixels, other = picture(), picture()
    write_stamp(pixels, 8)
    write_stamp(other, 9)
    pixels[split:] = other[split:]
    assert read_stamp(pixels) == Stamp(8, torn=True)


def test_covered_marks_do_not_count() -> None:
    pixels = picture()
    write_stamp(pixels, 77)
    for row in mark_rows(64)[:4]:
        pixels[row, 5] = (1, 2, 3, 4)
        assert read_stamp(pixels) == Stamp(77, torn=False)
    pixels[63, 39] ^= 255
    assert read_stamp(pixels) == Stamp(None, torn=False)


@pytest.mark.parametrize("value", [0, 255])
def test_flat_pictures_are_no_stamp(value: int) -> None:
    assert read_stamp(picture(value=value)).frame_id is None


@given(st.binary(min_size=5 * MARK_WIDTH, max_size=5 * MARK_WIDTH))
def test_arbitrary_grey_is_no_stamp(content: bytes) -> None:
    pixels = np.repeat(np.frombuffer(content, np.uint8).reshape(5, MARK_WIDTH, 1) & 0xFE | 2, 4, axis=2)
    assert read_stamp(pixels).frame_id is None


def test_pictures_too_small_for_a_stamp() -> None:
    assert read_stamp(picture(4)) == Stamp(None, torn=False)
    assert read_stamp(picture(64, 39)) == Stamp(None, torn=False)
    with pytest.raises(Misuse, match="39x64"):
        write_stamp(picture(64, 39), 1)


def test_a_view_with_padding_between_rows_and_swapped_colours() -> None:
    padded = picture(64, 80)
    write_stamp(padded[:, :64], 5)
    assert read_stamp(padded[:, :64]).frame_id == 5
    assert read_stamp(padded[:, :64, [2, 1, 0, 3]]).frame_id == 5
