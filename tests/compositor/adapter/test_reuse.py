import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compositor.adapter.reuse import EarlyReuse, Samples
from guest.workloads.stamp import mark_rows, write_stamp


@given(st.integers(16, 70), st.integers(16, 70), st.integers(0, 2**32 - 1))
def test_a_buffer_that_holds_still_is_never_reported(height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    assert Samples(pixels, 1).changed_rows() is None


@given(st.integers(16, 90), st.integers(16, 90))
def test_a_redrawn_buffer_is_reported_from_the_first_row_to_the_last(height: int, width: int) -> None:
    pixels = np.zeros((height, width, 4), np.uint8)
    samples = Samples(pixels, 1)
    pixels += 1
    assert samples.changed_rows() == (0, height - 1)


@given(st.integers(0, 1 << 24), st.integers(41, 200), st.integers(40, 300))
def test_another_stamp_alone_is_seen_in_each_of_its_rows(frame: int, height: int, width: int) -> None:
    pixels = np.zeros((height, width, 4), np.uint8)
    write_stamp(pixels, frame)
    samples = Samples(pixels, frame)
    write_stamp(pixels, frame + 1)
    assert samples.changed_rows() == (mark_rows(height)[0], mark_rows(height)[-1])


def test_a_band_is_reported_by_its_rows() -> None:
    pixels = np.zeros((330, 64, 4), np.uint8)
    samples = Samples(pixels, 1)
    pixels[100:200] = 7
    rows = samples.changed_rows()
    assert rows is not None
    assert 100 <= rows[0] <= 110
    assert 190 <= rows[1] < 200


def test_padded_rows_are_sampled_where_the_pixels_are() -> None:
    memory = np.zeros((100, 80, 4), np.uint8)
    samples = Samples(memory[:, :64], 1)
    memory[:, 64:] = 1
    assert samples.changed_rows() is None


@pytest.mark.parametrize(("frame", "name"), [(7, "frame 7"), (None, "a frame")])
def test_a_finding_is_one_line_and_one_entry(frame: int | None, name: str) -> None:
    finding = EarlyReuse(frame, (0, 47), 9, "left", 51_000_000)
    assert str(finding) == (
        f"early reuse: {name} was drawn over (rows 0 to 47) while left still had it, "
        "before fence 9, which came 51.0 ms after its flush"
    )
    assert finding.as_dict() == {
        "frame": frame, "rows": [0, 47], "fence": 9, "owner": "left", "held_ms": 51.0,
    }  # fmt: skip
