"""What each of the larger workloads is about, beyond what holds for all (`test_workload`)."""

import numpy as np

from guest.workloads.drag import Drag
from guest.workloads.stamp import read_rows
from guest.workloads.stress import Stress
from guest.workloads.terminal import Terminal
from guest.workloads.video import Nv12, convert, to_yuv
from guest.workloads.workload import Workload

SIZE = (240, 320)


def frame(workload: Workload, number: int) -> np.ndarray:
    pixels = np.zeros((*SIZE, 4), np.uint8)
    workload.draw(number, pixels)
    return pixels


def test_the_terminals_text_scrolls_up() -> None:
    terminal = Terminal()
    now, later = frame(terminal, 600), frame(terminal, 660)  # a second: seven lines of eight pixels
    assert np.array_equal(now[100:200, 60:], later[44:144, 60:])


def test_the_terminal_keeps_a_bounded_number_of_lines() -> None:
    terminal = Terminal()
    for number in range(0, 60_000, 500):
        frame(terminal, number)
    assert len(terminal._strips) <= 160


def test_every_row_of_stress_says_its_frame() -> None:
    picture = frame(Stress(), 77)
    assert read_rows(picture) == [77] * SIZE[0]
    picture[100:] = frame(Stress(), 78)[100:]
    assert read_rows(picture) == [77] * 100 + [78] * 140
    picture[3, 5] = (1, 2, 3, 4)
    assert read_rows(picture)[3] is None


def test_stress_changes_nearly_everywhere() -> None:
    stress = Stress()
    assert (frame(stress, 8) != frame(stress, 9)).any(axis=2).mean() > 0.8


def test_only_the_window_moves_when_it_is_dragged() -> None:
    drag = Drag(1)
    before, after = frame(drag, 60), frame(drag, 64)
    changed = np.argwhere((before != after).any(axis=2) & (np.arange(SIZE[1]) >= 40))  # beyond the stamp
    places = [drag.place(number, SIZE[1], SIZE[0]) for number in (60, 64)]
    height, width = drag._scene.window.shape[:2]
    assert changed[:, 1].min() >= min(x for x, _ in places)
    assert changed[:, 1].max() < max(x for x, _ in places) + width
    assert changed[:, 0].min() >= min(y for _, y in places)
    assert changed[:, 0].max() < max(y for _, y in places) + height


def test_the_window_never_leaves_the_picture() -> None:
    drag = Drag(3)
    frame(drag, 0)
    height, width = drag._scene.window.shape[:2]
    for number in range(2000):
        x, y = drag.place(number, SIZE[1], SIZE[0])
        assert 0 <= x <= SIZE[1] - width
        assert 0 <= y <= SIZE[0] - height


def test_colours_survive_nv12_and_back() -> None:
    """The primaries of BT.709 in limited range: 8 bits of luma and chroma are worth two steps of RGB."""
    for colour in ((255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (90, 140, 30)):
        y, u, v = to_yuv(np.array(colour, np.float64))
        film = Nv12(np.full((2, 2), y, np.uint8), np.full((1, 1, 2), (u, v), np.uint8))
        pixels = np.zeros((2, 2), np.uint32)
        convert(film, pixels)
        seen = pixels.view(np.uint8).reshape(2, 2, 4)[0, 0, 2::-1].astype(int)
        assert np.abs(seen - np.array(colour)).max() <= 2
    assert to_yuv(np.array((255.0, 255.0, 255.0))).tolist() == [235, 128, 128]
    assert to_yuv(np.array((255.0, 0.0, 0.0))).tolist() == [63, 102, 240]
