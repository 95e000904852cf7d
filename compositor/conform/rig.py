"""What one check works with, and what is given back after it."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any

from compositor.conform.guest import Guest
from compositor.conform.target import Target
from compositor.conform.verdict import Gone, need
from compositor.conform.waiting import Waiting
from compositor.conform.wire import Wire
from virtio.vhost_user.messages import F_PROTOCOL_FEATURES

_END_S = 1.0


class Rig:
    """Connections to the device, all with the check's deadline.

    Args:
        target: The device.
        seconds: From now to the deadline.

    Attributes:
        waiting: The deadline.
        target: The device.
        provoked: The check breaks the protocol, upon which a device may give up.
    """

    def __init__(self, target: Target, seconds: float) -> None:
        self.provoked = False
        self.target = target
        self.waiting = Waiting(seconds)
        self._stack = ExitStack()

    def wire(self) -> Wire:
        """A connection on which nothing has been said.

        Raises:
            Gone: The device takes none.
        """
        wire = Wire(self.target.connect(self.waiting), self.waiting)
        self._stack.callback(wire.close)
        return wire

    def stranger(self) -> Guest:
        """A guest that has asked for features, and agreed on nothing.

        Raises:
            Skipped: The device has no protocol features; nothing here can do without.
        """
        guest = Guest(self.wire(), self.waiting, self._stack)
        need(bool(guest.offered & F_PROTOCOL_FEATURES), "the device offers no protocol features")
        return guest

    def guest(self, features: int | None = None, **start: Any) -> Guest:
        """A guest whose queues run; see `Guest.negotiate` and `Guest.start`."""
        guest = self.stranger()
        guest.negotiate(features)
        guest.start(**start)
        return guest

    def reconnect(self, features: int | None = None) -> Guest:
        """A guest on a further connection, after an earlier one was closed.

        Raises:
            Skipped: The device has ended with that, as some do.
        """
        try:
            return self.guest(features)
        except Gone:
            # Its last connection may have been accepted by a device that was about to end.
            self.waiting.for_a_while(_END_S, unless=self._device_has_ended)
            need(not self._device_has_ended(), "the device ends with its first connection")
            raise

    def _device_has_ended(self) -> bool:
        return self.target.has_ended(provoked=self.provoked)

    def callback_close(self, fd: int) -> None:
        """Close a descriptor when the check is over."""
        self._stack.callback(os.close, fd)

    def close(self) -> None:
        """Hang up, and give back everything."""
        self._stack.close()
