"""Changes: exactly what is needed to follow a guest's memory, and little more."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from compositor.record.changes import BLOCK, MemoryImage, everything


@st.composite
def rectangles(draw: st.DrawFn, size: int) -> tuple[int, int, int, int]:
    """(offset, stride, height, width) of a rectangle inside of `size` bytes."""
    width = 4 * draw(st.integers(1, 200))
    stride = width + 4 * draw(st.integers(0, 30))
    height = draw(st.integers(1, 4))
    offset = draw(st.integers(0, size - (height - 1) * stride - width))
    return offset, stride, height, width


SIZE = 6000


@given(st.data())
def test_a_follower_of_the_changes_has_the_rectangles_that_were_looked_at(data: st.DataObject) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    memory, followed, image = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8), MemoryImage(SIZE)
    for _ in range(4):
        painted = data.draw(st.integers(0, SIZE - 1))
        memory[painted : painted + data.draw(st.integers(1, 900))] = random.integers(0, 256)
        offset, stride, height, width = data.draw(rectangles(SIZE))
        rows = np.ndarray((height, width), np.uint8, memory, offset, (stride, 1))
        extents, content = image.update(offset, stride, rows)
        position = 0
        for first, length in extents:
            followed[first : first + length] = np.frombuffer(content, np.uint8)[position : position + length]
            position += length
        assert position == len(content)
        assert np.array_equal(np.ndarray((height, width), np.uint8, followed, offset, (stride, 1)), rows)


def test_what_did_not_change_is_not_there() -> None:
    image, rows = MemoryImage(64 * 1024), np.ones((16, 4096), np.uint8)
    assert image.update(0, 4096, rows)[0] == [(0, 65536)]
    assert image.update(0, 4096, rows) == ([], b"")
    rows[3, 5] = 2
    assert image.update(0, 4096, rows)[0] == [(3 * 4096, BLOCK)]


def test_padding_between_rows_is_never_looked_at() -> None:
    image = MemoryImage(5000)
    memory = np.full(5000, 7, np.uint8)
    extents, _ = image.update(0, 1000, np.ndarray((5, 600), np.uint8, memory, 0, (1000, 1)))
    whole = 600 // BLOCK * BLOCK
    assert extents == [
        *((row * 1000, whole) for row in range(5)),
        *((row * 1000 + whole, 600 - whole) for row in range(5)),
    ]


@given(st.data())
def test_all_of_a_rectangle_is_where_it_was(data: st.DataObject) -> None:
    memory = np.random.default_rng(1).integers(0, 256, SIZE, np.uint8)
    offset, stride, height, width = data.draw(rectangles(SIZE))
    rows = np.ndarray((height, width), np.uint8, memory, offset, (stride, 1))
    extents, content = everything(offset, stride, rows)
    found = b"".join(memory[first : first + length].tobytes() for first, length in extents)
    assert found == content == rows.tobytes()
