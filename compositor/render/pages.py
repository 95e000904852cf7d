"""Where an image's bytes lie in files of shared memory: what it takes to show them to a driver uncopied."""

from __future__ import annotations

from typing import NamedTuple


class Piece(NamedTuple):
    """A range of a file.

    Attributes:
        fd: The file; open for as long as the image is used.
        offset: Bytes from its start.
        size: Bytes.
    """

    fd: int
    offset: int
    size: int


class Pages(NamedTuple):
    """An image's memory.

    Attributes:
        pieces: One behind the other they hold the image, as it is mapped.
        offset: Bytes from the start of the first piece to the image's first pixel.
    """

    pieces: tuple[Piece, ...]
    offset: int = 0
