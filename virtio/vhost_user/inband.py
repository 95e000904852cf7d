"""In-band notifications: kicks and calls as messages instead of eventfds (protocol feature 14), sans-IO.

They exist for simulation. A kick that is a message with an answer cannot be overtaken by anything else that
the guest does, and the guest stands still until it is answered; so time can be made to stand still with
it. Both directions pass through one plain function each, `on_kick` and `on_call`, which a calendar of
virtual time may replace to put the work they cause where it belongs.
"""

from __future__ import annotations

from collections.abc import Callable

from virtio.vhost_user.channel import BackendChannel
from virtio.vhost_user.messages import BackendRequest
from virtio.vhost_user.payloads import VringState

KickHook = Callable[[int, Callable[[], None]], None]
CallHook = Callable[[int], None]


class InbandNotifications:
    """The in-band kicks and calls of one connection.

    Attributes:
        on_kick: Called with a queue's index and a function that answers the guest. It must call that, now or
            later, and see to it that the queue is served. By default both happen at once.
        on_call: Called with a queue's index. It must see to it that `send_call` is called with it. By default
            it is `send_call`.
    """

    def __init__(self, channel: BackendChannel, schedule: Callable[[int], None]) -> None:
        self._channel = channel
        self._schedule = schedule
        self.on_kick: KickHook = self._kick_now
        self.on_call: CallHook = self.send_call

    def _kick_now(self, index: int, acknowledge: Callable[[], None]) -> None:
        # Answer first: the guest's CPU waits for it, the queue does not.
        acknowledge()
        self._schedule(index)

    def send_call(self, index: int) -> None:
        """Tell the driver that buffers of a queue were used (VRING_CALL)."""
        self._channel.request(BackendRequest.VRING_CALL, VringState(index).pack())

    def send_error(self, index: int) -> None:
        """Tell the front end that a queue is broken (VRING_ERR)."""
        self._channel.request(BackendRequest.VRING_ERR, VringState(index).pack())
