"""Guest memory as textures without a copy: which of the ways works here, if any.

Each combination of a dma-buf's making and its import is tried with a picture in a memfd of ours: drawn, read
back, compared; changed in memory, and drawn again, since a copy would pass the first time.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from typing import Any, NamedTuple, Protocol

import numpy as np

from compositor.errors import ScreenError
from compositor.pixels.format import PixelFormat
from compositor.render.gl.dmabuf import Export, as_it_is, by_udmabuf
from compositor.render.gl.egl_image import EglImages
from compositor.render.gl.memory_object import MemoryObjects
from compositor.render.gl.painter import Painter
from compositor.render.gl.texture import Texture
from compositor.render.gl.ways import TEST_SIZE, known_picture, shows
from compositor.render.layer import Layer
from compositor.render.pages import Pages, Piece


class Imports(Protocol):
    """Makes textures of dma-bufs.

    Attributes:
        name: For people.
    """

    name: str

    def texture(
        self, fd: int, offset: int, pitch: int, width: int, height: int, pixel_format: PixelFormat
    ) -> Texture:
        """See `compositor.render.gl.egl_image.EglImages.texture`."""


class Importer(NamedTuple):
    """A way that works.

    Attributes:
        name: For people.
        imports: Makes the textures.
        export: Makes the dma-bufs.
    """

    name: str
    imports: Imports
    export: Export

    def texture(self, layer: Layer, pages: Pages) -> Texture:
        """A layer's pixels as a texture that is their memory.

        Raises:
            ScreenError: The kernel or the driver refuses this one.
        """
        assert isinstance(layer.format, PixelFormat)  # plain layers have one of these
        height, width = layer.pixels.shape[:2]
        fd, offset = self.export(pages)
        try:
            return self.imports.texture(fd, offset, layer.pixels.strides[0], width, height, layer.format)
        finally:
            os.close(fd)


_UDMABUF = (by_udmabuf, "of udmabuf")
_MEMFD = (as_it_is, "of the memfd itself")
_WAYS = ((EglImages, (_UDMABUF, _MEMFD)), (MemoryObjects, (_UDMABUF,)))


def choose(gl: Any, painter: Painter) -> tuple[Importer | None, str]:
    """The first way that works in the current context, and why the others do not.

    Args:
        gl: `pyglet.gl`.
        painter: Of the current context.
    """
    reasons = []
    for kind, exports in _WAYS:
        try:
            imports = kind(gl)
        except ScreenError as error:
            reasons.append(f"no {kind.name}: {error}")
            continue
        for export, what in exports:
            importer = Importer(f"{imports.name} {what}", imports, export)
            try:
                _test(gl, painter, importer)
            except ScreenError as error:
                reasons.append(f"no {importer.name}: {error}")
            else:
                return importer, "; ".join([f"{importer.name} shows memory as it is", *reasons])
    return None, "; ".join(reasons)


def _test(gl: Any, painter: Painter, importer: Importer) -> None:
    """Show a picture, change it in place and show it again, in every format.

    Raises:
        ScreenError: It does not work; the message says at what it failed.
    """
    width, height = TEST_SIZE
    first = known_picture(width, height)
    offset = mmap.PAGESIZE  # not at the start, for guests' images are not
    fd = os.memfd_create("scanout-test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, offset + first.nbytes)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        memory = np.frombuffer(mmap.mmap(fd, offset + first.nbytes), np.uint8)  # unmapped with the array
        pixels = memory[offset:].reshape(first.shape)
        _test_formats(gl, painter, importer, pixels, Pages((Piece(fd, offset, first.nbytes),)))
    finally:
        os.close(fd)


def _test_formats(
    gl: Any, painter: Painter, importer: Importer, pixels: np.ndarray[Any, np.dtype[np.uint8]], pages: Pages
) -> None:
    height, width = pixels.shape[:2]
    for pixel_format in PixelFormat:
        pixels[...] = known_picture(width, height)
        texture = importer.texture(Layer(pixels, pixel_format), pages)
        try:
            if not shows(gl, painter, texture, pixels):
                raise ScreenError(f"it shows another {pixel_format.name} picture than memory has")
            np.invert(pixels, out=pixels)
            if not shows(gl, painter, texture, pixels):
                raise ScreenError(f"what changes in memory of a {pixel_format.name} picture does not show")
        finally:
            texture.delete()
