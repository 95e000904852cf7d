"""A tap on a device: hears everything that the driver does, and changes nothing.

What happens inside of a command (a flush can present a frame at once) happens between `received` and
`answered`.
"""

from __future__ import annotations

from typing import Protocol

from virtio.gpu.session import Session
from virtio.ring.chain import Chain


class Tap(Protocol):
    """Listens to one device."""

    def activated(self, session: Session) -> None:
        """A driver is there; `session` is what it will make, until the next reset."""

    def reset(self) -> None:
        """All that the driver made is about to be forgotten."""

    def received(self, index: int, request: bytes, chain: Chain) -> None:
        """A command came on queue `index`; it is not carried out yet.

        Args:
            index: 0 control, 1 cursor.
            request: As many bytes as the device reads, already a copy.
            chain: Where it came in; not to be read again.
        """

    def answered(self, response: bytes) -> None:
        """That command was carried out, or refused. The answer may yet have to wait for the display."""
