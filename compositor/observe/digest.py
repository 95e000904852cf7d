"""One number for everything that was ever visible.

The digest is the SHA-256 of one record per presented frame: output, commit number, time, size, and a
checksum of the picture (XXH3, 64 bits: at the speed of memory). A picture is checksummed as opaque
XRGB8888 with the unused byte 0xff, whatever the buffer's own format and padding are, so that the same
picture counts the same whether it was composed or scanned out from the guest's memory as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import xxhash
from numpy.typing import NDArray

from compositor.output.frame import Frame
from compositor.pixels.format import PixelFormat
from compositor.render import blend

# Rows are looked at, or brought to the common format, in a block that stays in the cache until it is hashed:
# a frame is read from memory once and nothing is written to it.
_BLOCK_BYTES = 1 << 20
_OPAQUE = 0xFF00_0000


class Digest:
    """Collects frames; equal digests mean equal pictures at equal times.

    Attributes:
        converted_bytes: What it has written to bring pictures to the common format.
    """

    def __init__(self) -> None:
        self.converted_bytes = 0
        self._records = hashlib.sha256()
        self._scratch = np.empty((0, 0, 4), np.uint8)
        self._start_ns = 0
        self._start_seq: Mapping[str, int] = {}

    def start_over(self, now_ns: int, commit_seq: Mapping[str, int]) -> None:
        """Forget all frames; times and commit numbers of those that come count from here.

        Args:
            now_ns: The time.
            commit_seq: The number of each output's last frame, by the output's name.
        """
        self._records = hashlib.sha256()
        self._start_ns, self._start_seq = now_ns, commit_seq

    def add(self, frame: Frame) -> None:
        """Count a frame, and note its checksum; before it is released, while its pixels still stand."""
        height, width = frame.pixels.shape[:2]
        converted = self.converted_bytes
        checksum = frame.checksum = self.checksum(frame.pixels, frame.format)
        frame.read_back(self.converted_bytes - converted)
        seq = frame.commit_seq - self._start_seq.get(frame.output, 0)
        time_ns = frame.present_time_ns - self._start_ns
        record = f"{frame.output} {seq} {time_ns} {width}x{height} {checksum:016x}\n"
        self._records.update(record.encode())

    def __str__(self) -> str:
        """The digest so far, "sha256:" and 64 hexadecimal digits."""
        return "sha256:" + self._records.hexdigest()

    def checksum(self, pixels: NDArray[np.uint8], pixel_format: PixelFormat) -> int:
        """XXH3 of a picture as B, G, R, 0xff, row after row.

        Args:
            pixels: (height, width, 4) uint8, rows may be padded.
            pixel_format: Their memory order; alpha is ignored.
        """
        height, width = pixels.shape[:2]
        rows = min(height, max(1, _BLOCK_BYTES // (4 * width)))
        in_order = pixels.flags.c_contiguous and blend.is_copied(pixel_format)
        state = xxhash.xxh3_64()
        for top in range(0, height, rows):
            block = pixels[top : top + rows]
            if not (in_order and _is_opaque(block)):
                block = self._converted(block, pixel_format, rows)
            state.update(block.data)
        return state.intdigest()

    def _converted(self, block: NDArray[np.uint8], pixel_format: PixelFormat, rows: int) -> NDArray[np.uint8]:
        """A copy as B, G, R, 0xff, which lasts until the next one."""
        width = block.shape[1]
        if self._scratch.shape[:2] != (rows, width):
            self._scratch = np.empty((rows, width, 4), np.uint8)
        scratch = self._scratch[: block.shape[0]]
        blend.convert(scratch, block, pixel_format)
        self.converted_bytes += scratch.nbytes
        return scratch


def _is_opaque(block: NDArray[np.uint8]) -> bool:
    """Whether every fourth byte is 0xff; where it is not, the first one tells mostly."""
    words = block.view("<u4")
    return bool(words[0, 0, 0] >= _OPAQUE and np.bitwise_and.reduce(words, axis=None) >= _OPAQUE)
