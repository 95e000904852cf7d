"""Each command's pixels, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from guest.gpu.commands import Area, Blit, Command, Copy, Dispatch, Fill, Gradient, Surface, Triangles
from guest.gpu.execute import ramp
from guest.gpu.triangles import vertices

if TYPE_CHECKING:
    from guest.driver.render import GpuBuffer, RenderDriver
    from tests.guest.gpu.conftest import Bench

SIDE = 64
ALL = Area(0, 0, SIDE, SIDE)


class Canvas:
    """A driver, a picture of its, and what the GPU makes of it."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.driver: RenderDriver = bench.driver()
        self.buffer: GpuBuffer = self.driver.allocate(4 * SIDE * SIDE)
        self.surface: Surface = self.buffer.surface(SIDE, SIDE)

    def draw(self, *commands: Command) -> NDArray[np.uint32]:
        fence = self.driver.submit(commands, writes=[self.buffer])
        self.bench.finish()
        assert fence.error is None
        data = self.buffer.memory.map_scattered(self.buffer.runs).data
        return data.view(np.uint32).reshape(SIDE, SIDE)


@pytest.fixture
def canvas(bench: Bench) -> Canvas:
    return Canvas(bench)


def test_fill(canvas: Canvas) -> None:
    picture = canvas.draw(Fill(canvas.surface, ALL, 1), Fill(canvas.surface, Area(3, 5, 7, 9), 0x8000_0002))
    expected = np.ones((SIDE, SIDE), np.uint32)
    expected[5:14, 3:10] = 0x8000_0002
    assert np.array_equal(picture, expected)


def test_gradient_ends_at_its_colours_and_rounds_in_between() -> None:
    colours = ramp(0xFF00_0000, 0xFF00_00FF, 3)
    assert [hex(colour) for colour in colours] == ["0xff000000", "0xff000080", "0xff0000ff"]
    assert ramp(7, 9, 1).tolist() == [7]


def test_gradient_runs_down_its_rectangle(canvas: Canvas) -> None:
    picture = canvas.draw(Gradient(canvas.surface, Area(8, 16, 4, 32), 0, 0x1F1F_1F1F))
    assert np.array_equal(picture[16:48, 8:12], np.repeat(ramp(0, 0x1F1F_1F1F, 32)[:, None], 4, axis=1))
    assert picture.sum() == picture[16:48, 8:12].sum()


def test_blit_moves_pixels_between_kinds_of_memory(canvas: Canvas) -> None:
    source = canvas.driver.allocate_vram(4 * SIDE * SIDE)
    small = source.surface(SIDE, SIDE)
    picture = canvas.draw(
        Gradient(small, ALL, 0xFF00_0000, 0xFFFF_FFFF),
        Blit(small, 1, 2, canvas.surface, Area(10, 20, 30, 40), 0),
    )
    expected = ramp(0xFF00_0000, 0xFFFF_FFFF, SIDE)[2:42]
    assert np.array_equal(picture[20:60, 10:40], np.repeat(expected[:, None], 30, axis=1))


def test_a_blended_blit_is_premultiplied_over(canvas: Canvas) -> None:
    source = canvas.driver.allocate(4 * SIDE * SIDE)
    picture = canvas.draw(
        Fill(canvas.surface, ALL, 0xFF64_6464),
        Fill(source.surface(SIDE, SIDE), ALL, 0x8040_0000),
        Blit(source.surface(SIDE, SIDE), 0, 0, canvas.surface, ALL, 1),
    )
    below = (100 * 127 + 127) // 255
    assert hex(picture[3, 3]) == f"0xff{0x40 + below:02x}{below:02x}{below:02x}"


def test_triangles_are_drawn_from_memory(canvas: Canvas) -> None:
    corners = canvas.driver.allocate(4096)
    words = vertices(*((16 * x, 16 * y, 0, 0, 0xFFFF_FFFF) for x, y in ((0, 0), (SIDE, 0), (0, SIDE))))
    corners.memory.write(corners.runs[0][0], words)
    none = Surface(0, 0, 0, 0)
    picture = canvas.draw(Fill(canvas.surface, ALL, 0), Triangles(canvas.surface, none, corners.address, 1))
    inside = np.add.outer(np.arange(SIDE), np.arange(SIDE)) < SIDE - 1
    assert np.array_equal(picture == 0xFFFF_FFFF, inside)


def test_copy_moves_bytes(canvas: Canvas) -> None:
    source = canvas.driver.allocate_vram(8192)
    picture = canvas.draw(
        Fill(canvas.surface, ALL, 0),
        Fill(source.surface(32, 32), Area(0, 0, 32, 32), 0x0102_0304),
        Copy(source.address, canvas.surface.address + 4, 400, 0),
    )
    assert picture.ravel()[0] == 0
    assert (picture.ravel()[1:101] == 0x0102_0304).all()
    assert picture.ravel()[101] == 0


def test_a_program_draws_its_rectangle(canvas: Canvas) -> None:
    seen: list[tuple[int, tuple[int, ...], Area, Surface]] = []

    def program(argument: int, pixels: NDArray[np.uint8], rect: Area, surface: Surface) -> None:
        seen.append((argument, pixels.shape, rect, surface))
        pixels[:] = argument

    canvas.driver.programs.append(program)
    picture = canvas.draw(
        Fill(canvas.surface, ALL, 0), Dispatch(canvas.surface, Area(0, 8, SIDE, 4), 0, 9, 1)
    )
    assert seen == [(9, (4, SIDE, 4), Area(0, 8, SIDE, 4), canvas.surface)]
    assert (picture[8:12] == 0x0909_0909).all()
    assert picture[12:].sum() == picture[:8].sum() == 0
