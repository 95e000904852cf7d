"""Sync policies: what the answer to a flush waits for.

    flushed -------> taken ---------------> presented ------> done
    by the guest     by the compositor      on the screen     the host is through with it,
                     (out-fence: the flip   (at a vblank)     and the image before it is free
                     is complete)                             (release: the flip is complete)

`NONE` answers at once, and tears. `BLOCKING` is what QEMU does: the device takes no further command until
the flush is done. `RELEASE` lets that flush alone wait. Both tie the guest's next frame to the release of a
buffer: a guest that starts to draw when its flip is complete has then missed most of the time that the host's
compositor gave it.

`OUT_FENCE` makes two events of one: the flush is answered when the compositor has taken the image, and what
the image replaces is given back by another fence, that of the command which set the scanout. Nothing on the
wire is new, but a driver that does not know would draw into a buffer that is still shown. `QUEUE` keeps one
event and allows two flips at a time, so that the guest draws while the next image waits; images are shown
in order, and none is skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from compositor.errors import BadInput


class SyncPolicy(StrEnum):
    """What a guest's flush waits for; the values are the names on the command line."""

    NONE = "none"
    BLOCKING = "blocking"
    RELEASE = "release"
    OUT_FENCE = "out-fence"
    QUEUE = "queue"

    @classmethod
    def parse(cls, policy: str, known: Sequence[SyncPolicy], whose: str) -> SyncPolicy:
        """A policy by its name.

        Raises:
            BadInput: There is no such policy, or it is not among those that this guest can live with.
        """
        if policy not in known:
            raise BadInput(f"guest {whose}: sync {str(policy)!r} is not for it; there are {', '.join(known)}")
        return cls(policy)


QUEUE_DEPTH = 2
"""Images that wait to be taken by the compositor under `QUEUE`; a further flush discards the oldest."""

FOR_ANY_GUEST = (SyncPolicy.NONE, SyncPolicy.BLOCKING, SyncPolicy.RELEASE)
"""Policies that a guest need not know of. Linux has one flip at a time, so a queue would not help it."""
