from typing import Any

import pytest

from compositor.compare import Tolerance
from compositor.compare.tolerance import EXACT
from compositor.errors import BadInput


@pytest.mark.parametrize(
    ("text", "tolerance"),
    [
        ("3", Tolerance(channel=3)),
        ("channel=3", Tolerance(channel=3)),
        ("red=-1:2,alpha=0", Tolerance(red=(-1, 2), alpha=0)),
        ("pixels=10, antialiasing", Tolerance(pixels=10, antialiasing=True)),
        ("ratio=0.5%", Tolerance(ratio=0.005)),
        ("ratio=0.25,perceptual=0.01", Tolerance(ratio=0.25, perceptual=0.01)),
        ("antialiasing=no", EXACT),
    ],
)
def test_tolerances_are_written_in_words(text: str, tolerance: Tolerance) -> None:
    assert Tolerance.of(text) == tolerance
    assert tolerance == EXACT or Tolerance.of(str(tolerance)) == tolerance


def test_a_number_and_nothing_are_tolerances() -> None:
    assert Tolerance.of(3) == Tolerance(channel=3)
    assert Tolerance.of(None) == EXACT
    assert Tolerance.of(EXACT) is EXACT
    assert str(EXACT) == "exact"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "tolerance '': "),
        ("chanel=3", "tolerance 'chanel=3': unknown; there are: channel, red, green, blue, alpha, pixels"),
        ("channel=x", "tolerance 'channel=x': give a whole number, or two as in -1:2"),
        ("channel=-1", "tolerance channel=-1: must be 0 to 255"),
        ("channel=300", "tolerance channel=300: must be 0 to 255"),
        ("red=1:2", "tolerance red=1:2: must be from -255..0 to 0..255"),
        ("red=-256:0", "tolerance red=-256:0: must be from"),
        ("pixels=-1", "tolerance pixels=-1: give a number of pixels, 0 or more"),
        ("pixels=1.5", "tolerance 'pixels=1.5': give a whole number"),
        ("ratio=2", "tolerance ratio=2.0: must be 0 to 1"),
        ("ratio=nan", "tolerance ratio=nan: must be 0 to 1"),
        ("ratio=some", "tolerance 'ratio=some': give a number of 0 to 1, or a percentage"),
        ("perceptual=-1", "tolerance perceptual=-1.0: must be 0 to 1"),
        ("antialiasing=3", "tolerance 'antialiasing=3': give it alone"),
        ("pixels=1,pixels=2", "tolerance 'pixels=1,pixels=2': pixels is given twice"),
    ],
)
def test_tolerances_that_make_no_sense_are_refused(text: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        Tolerance.of(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"channel": 1.5}, "tolerance channel=1.5: give a whole number"),
        ({"channel": True}, "tolerance channel=True: give a whole number"),
        ({"channel": "3"}, "tolerance channel=3: give a whole number"),
        ({"red": (0, 1, 2)}, r"tolerance red=\(0, 1, 2\): give a whole number, or two"),
        ({"pixels": 1.5}, "tolerance pixels=1.5: give a number"),
        ({"ratio": "1%"}, "tolerance ratio=1%: must be 0 to 1"),
    ],
)
def test_values_of_other_types_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Tolerance(**given)


def test_the_smaller_of_a_number_and_a_ratio_counts() -> None:
    assert Tolerance(pixels=5, ratio=0.01).allowed(1000) == 5
    assert Tolerance(pixels=50, ratio=0.01).allowed(1000) == 10
    assert Tolerance(ratio=0.3).allowed(10) == 3
    assert EXACT.allowed(1000) == 0
