"""Imports are believed when they have shown a picture, and the same picture after it changed in memory."""

import fcntl
import mmap
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor.errors import ScreenError
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.render import cpu
from compositor.render.cpu import Layer
from compositor.render.gl import GlRenderer, Target, importing
from compositor.render.gl.dmabuf import as_it_is
from compositor.render.gl.importing import Importer
from compositor.render.gl.memory_object import MemoryObjects
from compositor.render.gl.painter import Painter
from compositor.render.gl.texture import Texture
from compositor.render.gl.upload import Layout, Uploader, Way
from compositor.render.pages import Pages, Piece

pytestmark = pytest.mark.real

Memory = NDArray[np.uint8]
Share = Callable[[int], tuple[int, Memory]]


@pytest.fixture
def share() -> Iterator[Share]:
    """Makes sealed memfds, mapped."""
    descriptors = []

    def make(size: int) -> tuple[int, Memory]:
        fd = os.memfd_create("test", os.MFD_ALLOW_SEALING)
        descriptors.append(fd)
        os.ftruncate(fd, size)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        return fd, np.frombuffer(mmap.mmap(fd, size), np.uint8)

    yield make
    for fd in descriptors:
        os.close(fd)


class Copies:
    """Claims to import, and copies."""

    name = "copy"

    def __init__(self, gl: Any) -> None:
        self.gl = gl

    def texture(
        self, fd: int, offset: int, pitch: int, width: int, height: int, pixel_format: PixelFormat
    ) -> Texture:
        texture = Texture.create(self.gl, width, height, pixel_format, Layout.NATIVE)
        pixels = np.frombuffer(os.pread(fd, pitch * height, offset), np.uint8).reshape(height, width, 4)
        texture.update(Uploader(self.gl), Way(Layout.NATIVE), pixels, [Rect(0, 0, width, height)])
        return texture


def tried(gl: Any, importer: Importer) -> None:
    painter = Painter(gl)
    try:
        importing._test(gl, painter, importer)
    finally:
        painter.delete()


def test_an_import_that_copies_is_found_out(gl: Any) -> None:
    with pytest.raises(ScreenError, match="what changes in memory of a XRGB8888 picture does not show"):
        tried(gl, Importer("copy", Copies(gl), as_it_is))


def test_an_import_that_shows_something_else_is_found_out(gl: Any) -> None:
    """llvmpipe takes a memfd for a memory object, and gives the texture other memory."""
    try:
        objects = MemoryObjects(gl)
    except ScreenError as error:
        pytest.skip(str(error))
    with pytest.raises(ScreenError, match=r"it shows another XRGB8888 picture than memory has|OpenGL driver"):
        tried(gl, Importer("memfd", objects, as_it_is))


def test_the_choice_names_every_way_that_was_tried(gl: Any) -> None:
    painter = Painter(gl)
    importer, reason = importing.choose(gl, painter)
    painter.delete()
    if importer is None:
        assert "no EGL dma-buf import" in reason
        assert "no memory object" in reason
    else:
        assert reason.startswith(f"{importer.name} shows memory as it is")


def test_where_nothing_imports_shared_memory_is_uploaded(renderer: GlRenderer, share: Share) -> None:
    renderer.textures.importer = None
    fd, memory = share(4 * 8 * 8)
    target = Target(renderer.gl, 8, 8)
    layer = Layer(memory.reshape(8, 8, 4), PixelFormat.XRGB8888, pages=Pages((Piece(fd, 0, 256),)))
    renderer.compose(target, [layer], [target.rect])
    assert renderer.textures.upload_bytes == 256
    target.delete()


def test_memory_that_this_way_cannot_show_is_uploaded(renderer: GlRenderer, share: Share) -> None:
    """In two pieces, for a way that needs one."""
    renderer.textures.importer = Importer("copy", Copies(renderer.gl), as_it_is)
    fd, memory = share(4 * 8 * 8)
    memory[...] = 7
    target = Target(renderer.gl, 8, 8)
    pages = Pages((Piece(fd, 0, 128), Piece(fd, 128, 128)))
    layer = Layer(memory.reshape(8, 8, 4), PixelFormat.XRGB8888, pages=pages)
    renderer.compose(target, [layer], [target.rect])
    assert renderer.textures.upload_bytes == 256
    assert (target.read()[..., :3] == 7).all()
    target.delete()


@pytest.mark.parametrize("pixel_format", PixelFormat)
@pytest.mark.parametrize(("offset", "pitch"), [(0, 256), (4096 + 64, 512)])
def test_imported_memory_shows_what_the_guest_draws_and_nothing_is_uploaded(
    renderer: GlRenderer, share: Share, pixel_format: PixelFormat, offset: int, pitch: int
) -> None:
    if renderer.textures.importer is None:
        pytest.skip(renderer.textures.import_reason)
    width, height = 60, 20
    fd, memory = share(offset + pitch * height)
    pixels = np.ndarray((height, width, 4), np.uint8, memory, offset, (pitch, 4, 1))
    layer = Layer(pixels, pixel_format, 3, 2, pages=Pages((Piece(fd, 0, memory.size),), offset))
    target, expected = Target(renderer.gl, 64, 24), np.empty((24, 64, 4), np.uint8)
    random = np.random.default_rng(3)
    for _ in range(3):
        pixels[...] = random.integers(0, 256, pixels.shape, np.uint8)
        cpu.compose(expected, [layer], [target.rect])
        renderer.compose(target, [layer], [target.rect])
        np.testing.assert_array_equal(target.read(), expected)
    assert renderer.textures.upload_bytes == 0
    target.delete()
