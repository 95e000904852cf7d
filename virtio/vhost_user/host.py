"""The port between the sans-IO parts of a connection and the shell around them."""

from __future__ import annotations

from typing import Protocol

from virtio.vhost_user.channel import BackendChannel
from virtio.vhost_user.messages import Message


class Host(Protocol):
    """What the sans-IO parts of a connection ask of the shell around them."""

    def send(self, message: Message) -> None:
        """Send to the front end, when it takes it."""

    def report(self, line: str) -> None:
        """Tell the user of something that went wrong and was dealt with."""

    def schedule(self, index: int) -> None:
        """Call `Rings.process` soon; several wishes before that are one."""

    def watch_kick(self, index: int, fd: int) -> None:
        """Call `Rings.process` whenever `fd` is rung.

        Raises:
            OSError: It cannot be waited on.
        """

    def unwatch_kick(self, index: int) -> None:
        """The descriptor is about to be closed, or its queue stops."""

    def ring(self, fd: int) -> bool:
        """Signal an eventfd; False when its other end is gone."""

    def open_channel(self, fd: int, channel: BackendChannel) -> None:
        """Take ownership of a socket and connect `channel` to it, in place of an earlier one.

        Raises:
            OSError: It is no socket.
        """

    def open_gpu_socket(self, fd: int) -> None:
        """Take ownership of QEMU's display socket, in place of an earlier one.

        Raises:
            OSError: It is no socket.
        """
