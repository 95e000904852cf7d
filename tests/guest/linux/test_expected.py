import numpy as np
import pytest

from guest.linux.expected import pageflip, pattern
from guest.workloads.stamp import Stamp, read_stamp

# How modetest divides a line of 1024 and of 1366 pixels: where each bar begins.
BARS = {
    1024: [0, 147, 293, 439, 586, 732, 878],
    1366: [0, 196, 391, 586, 781, 976, 1171],
}


@pytest.mark.parametrize("width", BARS)
def test_the_bars_of_modetest(width: int) -> None:
    row = pattern(width, 768)[0].view("<u4")[:, 0]
    starts = [0, *(np.flatnonzero(np.diff(row)) + 1).tolist()]
    assert starts == BARS[width]
    assert row[starts].tolist() == [0xC0C0C0, 0xC0C000, 0x00C0C0, 0x00C000, 0xC000C0, 0xC00000, 0x0000C0]


def test_the_three_bands_of_modetest() -> None:
    column = pattern(1024, 768)[:, 0].copy().view("<u4")[:, 0]
    starts = [0, *(np.flatnonzero(np.diff(column)) + 1).tolist()]
    assert starts == [0, 512, 597]
    assert column[starts].tolist() == [0xC0C0C0, 0x0000C0, 0x00214C]


def test_the_narrow_bars_of_the_last_band() -> None:
    row = pattern(1024, 768)[-1].view("<u4")[:, 0]
    changes = [0, *(np.flatnonzero(np.diff(row)) + 1).tolist()]
    assert [(x, hex(row[x])) for x in changes] == [
        (0, "0x214c"), (183, "0xffffff"), (366, "0x32006a"), (549, "0x131313"),
        (731, "0x90909"), (780, "0x131313"), (829, "0x1d1d1d"), (877, "0x131313"),
    ]  # fmt: skip


def test_a_frame_carries_its_stamp() -> None:
    assert read_stamp(pageflip(640, 480, 77)) == Stamp(77, torn=False)


def test_every_frame_differs_from_its_neighbours_all_over() -> None:
    for frame in (0, 1, 63, 127, 1023):
        changed = (pageflip(320, 240, frame) != pageflip(320, 240, frame + 1)).any(axis=2)
        assert changed.mean() > 0.5


def test_the_number_is_legible() -> None:
    # At this size a dot is a pixel. The panel lies around the middle row, where the stamp does not reach.
    picture = pageflip(150, 48, 907)
    lit = (picture[20:27, 62:87, :3] == 255).all(axis=2)
    assert ["".join(np.where(row, "#", ".")) for row in lit[1:6, 13:24]] == [
        "###.###.###",
        "#.#.#.#...#",
        "###.#.#...#",
        "..#.#.#...#",
        "###.###...#",
    ]


def test_the_smallest_picture_has_no_room_for_digits() -> None:
    assert read_stamp(pageflip(40, 5, 3)).frame_id == 3


def test_padding_is_opaque_in_frames_and_clear_in_the_pattern() -> None:
    assert (pageflip(64, 64, 5)[..., 3] == 255).all()
    assert (pattern(64, 64)[..., 3] == 0).all()
