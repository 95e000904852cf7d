"""In-band notifications: kicks and calls as messages instead of eventfds (protocol feature 14), sans-IO.

They exist for simulation. A kick that is a message with an answer cannot be overtaken by anything else that
the guest does, and the guest stands still until it is answered; so time can be made to stand still with
it. When that answer goes out, and when the queue is served, is the matter of the connection's `pace`.
"""

from __future__ import annotations

from virtio.vhost_user.channel import BackendChannel
from virtio.vhost_user.messages import BackendRequest
from virtio.vhost_user.payloads import VringState


class InbandNotifications:
    """The in-band calls and errors of one connection."""

    def __init__(self, channel: BackendChannel) -> None:
        self._channel = channel

    def send_call(self, index: int) -> None:
        """Tell the driver that buffers of a queue were used (VRING_CALL)."""
        self._channel.request(BackendRequest.VRING_CALL, VringState(index).pack())

    def send_error(self, index: int) -> None:
        """Tell the front end that a queue is broken (VRING_ERR)."""
        self._channel.request(BackendRequest.VRING_ERR, VringState(index).pack())
