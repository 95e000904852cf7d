"""Fences of flushes that signal late, never, or with an error: the host keeps an image, or fails over it."""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import partial

from compositor.adapter.display import GuestDisplay
from compositor.adapter.flip import Flip

Through = Callable[[], object]
Fate = Callable[[Flip, Through], object]


class KeptImages:
    """What becomes of the next images of a guest that are presented, and so of the fences of their flushes.

    Where a scanout is switched off and when the guest goes away, all fences signal all the same.

    Args:
        display: The guest's.
        count: How many images.
        fate: Gets an image, and the call that says that the host is through with it.
    """

    def __init__(self, display: GuestDisplay, count: int, fate: Fate) -> None:
        self._display, self._left, self._fate = display, count, fate
        self._before, self._closed = display.keep, False
        display.keep = self._keep

    def close(self) -> None:
        """Keep no more of them."""
        self._closed = True
        if self._display.keep == self._keep:
            self._display.keep = self._before

    def _keep(self, flip: Flip, shown_ns: int, through: Callable[[], None]) -> None:
        passes: Through = through if self._before is None else partial(self._before, flip, shown_ns, through)
        if self._closed:
            passes()
            return
        self._left -= 1
        if not self._left:
            self.close()
        self._fate(flip, passes)


def never(_flip: Flip, _through: Through) -> None:
    """The host keeps the image."""


def failed(flip: Flip, through: Through) -> None:
    """The host fails over it. virtio-gpu has no word for that: the guest is answered all the same."""
    for fence in (flip.answer, flip.release):
        if fence is not None and not fence.signaled:
            fence.set_error(-errno.EIO)
    through()
