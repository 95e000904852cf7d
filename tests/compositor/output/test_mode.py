import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compositor.errors import BadInput
from compositor.output.mode import MAX_SIZE, MIN_SIZE, Mode
from compositor.pixels.geometry import Rect

sizes = st.integers(MIN_SIZE, MAX_SIZE)


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("1024x768@60", Mode(1024, 768, 60_000)),
        ("1024x768", Mode(1024, 768, 60_000)),
        ("1920x1080@59.94", Mode(1920, 1080, 59_940)),
        ("640x480@143.856", Mode(640, 480, 143_856)),
        ("16x8192@1", Mode(16, 8192, 1_000)),
    ],
)
def test_a_text_becomes_a_mode(text: str, mode: Mode) -> None:
    assert Mode.parse(text) == mode


@given(sizes, sizes, st.integers(1_000, 1_000_000))
def test_text_and_mode_are_the_same_thing(width: int, height: int, refresh_mhz: int) -> None:
    mode = Mode(width, height, refresh_mhz)
    assert Mode.parse(str(mode)) == mode


@pytest.mark.parametrize(
    "text",
    ["", "1024", "1024x", "x768", "1024x768@", "1024 x 768", "1024x768@60.", "1024x768@60.1234", "1024X768",
     "1024x768x32", "-640x480", "1e3x768", "1024x768@-60", "\u0661\u0660x768", "1024x768\n", "nonsense"],
)  # fmt: skip
def test_another_form_is_refused_with_the_text_and_an_example(text: str) -> None:
    shown = text.replace("\n", "\\n")
    with pytest.raises(BadInput, match=re.escape(f'mode "{shown}" is not of the form') + ".*1024x768@60"):
        Mode.parse(text)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("15x768", "width 15 is not in 16 to 8192"),
        ("1024x8193", "height 8193 is not in 16 to 8192"),
        ("0x0", "width 0 is not in 16 to 8192"),
        ("999999999x768", "width 999999999 is not"),
        ("1024x768@0", "refresh rate 0 is not in 1 to 1000 Hz"),
        ("1024x768@0.999", "refresh rate 0.999 is not"),
        ("1024x768@1000.001", "refresh rate 1000 is not"),
    ],
)
def test_numbers_out_of_range_are_refused_with_the_text_and_the_range(text: str, what: str) -> None:
    with pytest.raises(BadInput, match=re.escape(f'mode "{text}": {what}')):
        Mode.parse(text)


def test_period_is_the_nearest_nanosecond() -> None:
    assert Mode(640, 480, 60_000).period_ns == 16_666_667
    assert Mode(640, 480, 59_940).period_ns == 16_683_350


def test_rect_is_all_pixels() -> None:
    assert Mode(640, 480).rect == Rect(0, 0, 640, 480)
