"""Early reuse: a guest draws into a buffer that the host still owns.

Nothing on the wire says so. Linux waits 50 ms for a flush's fence, throws the result away and goes on
(virtgpu_plane.c), so a host that is slow for once has its buffers painted over, and neither side notices.
Here some cache lines of a buffer are copied when the host gets it, and compared when it gives it back: a few
kilobytes a frame. What changes between the samples goes unseen; a guest that redraws, redraws most of it.

A guest with one buffer, as a text console, draws into what is shown: that is its wish, and no reuse. That it
has one is known when it flushes the same buffer again, so findings about the newest buffer wait for the next
flush.

A finding does not say whether the guest waited. A driver that gave up after 50 ms did, and its 50 ms began
when it queued the flush, which was before the host saw it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_LINES = 33  # every eighth of them in a row that holds a stamp, where the frame's number changes
_LINE = 16  # pixels of a cache line, 64 bytes
_GOLDEN = 0.6180339887498949  # spreads the others over the width


class EarlyReuse(NamedTuple):
    """One finding.

    Attributes:
        frame: The guest's number of the frame that was overwritten; None where it has none.
        rows: First and last sampled row that differs.
        fence: Number of the flush whose fence would have given the buffer back, counted on its scanout.
        owner: Who still had the buffer: an output's name.
        held_ns: How long after that flush the difference was found.
    """

    frame: int | None
    rows: tuple[int, int]
    fence: int
    owner: str
    held_ns: int

    def as_dict(self) -> dict[str, object]:
        """One element of the statistics' "early_reuse"."""
        return {
            "frame": self.frame,
            "rows": list(self.rows),
            "fence": self.fence,
            "owner": self.owner,
            "held_ms": round(self.held_ns / 1e6, 3),
        }

    def __str__(self) -> str:
        first, last = self.rows
        frame = "a frame" if self.frame is None else f"frame {self.frame}"
        return (
            f"early reuse: {frame} was drawn over (rows {first} to {last}) while {self.owner} still had it, "
            f"before fence {self.fence}, which came {self.held_ns / 1e6:.1f} ms after its flush"
        )


class NewestBuffer:
    """Findings about the buffer that a scanout shows last, until the next flush tells what they are.

    Args:
        found: Gets those that are early reuse.
    """

    def __init__(self, found: Callable[[EarlyReuse], None]) -> None:
        self._found = found
        self._waiting: list[tuple[int, EarlyReuse]] = []

    def add(self, resource_id: int, finding: EarlyReuse) -> None:
        """The guest drew into its newest buffer."""
        self._waiting.append((resource_id, finding))

    def flushed(self, resource_id: int) -> None:
        """The guest flushes again: another buffer, or the one that it has."""
        waiting, self._waiting = self._waiting, []
        for resource, finding in waiting:
            if resource != resource_id:
                self._found(finding)

    def forget(self) -> None:
        """The scanout shows nothing any more."""
        self._waiting.clear()


class Samples:
    """Some cache lines of a buffer, as they were when this was made.

    Args:
        pixels: (height, width, 4) uint8, pixels of a row adjoining; a live view.
        frame: The guest's number of the frame in it.
    """

    __slots__ = ("frame", "_words", "_taken")

    def __init__(self, pixels: NDArray[np.uint8], frame: int | None) -> None:
        self.frame = frame
        self._words = pixels.view(np.uint32)[..., 0]
        self._taken = self._words[_places(*self._words.shape)]

    def changed_rows(self) -> tuple[int, int] | None:
        """First and last sampled row that is not as it was; None: all are."""
        places = _places(*self._words.shape)
        found = self._words[places]
        if found.tobytes() == self._taken.tobytes():  # a third of the time of an array of comparisons
            return None
        rows = places[0][(found != self._taken).any(axis=1), 0]
        return int(rows[0]), int(rows[-1])


@lru_cache(maxsize=64)
def _places(height: int, width: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the sampled pixels: rows (lines, 1) and columns (lines, pixels of a line)."""
    count = min(_LINES, height)
    length = min(_LINE, width)
    rows = [k * (height - 1) // max(count - 1, 1) for k in range(count)]
    room = width - length
    starts = [min(_LINE, room) if k % 8 == 0 else int(k * _GOLDEN % 1 * (room + 1)) for k in range(count)]
    columns = np.array(starts, np.intp)[:, None] + np.arange(length)
    return np.array(rows, np.intp)[:, None], columns
