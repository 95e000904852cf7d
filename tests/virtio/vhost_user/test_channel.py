from __future__ import annotations

import pytest

from virtio.errors import ProtocolFault
from virtio.vhost_user.channel import BackendChannel
from virtio.vhost_user.messages import FLAG_REPLY, VERSION, BackendRequest, Message
from virtio.vhost_user.payloads import VringState, pack_u64

CONFIG, CALL, ERROR = BackendRequest.CONFIG_CHANGE, BackendRequest.VRING_CALL, BackendRequest.VRING_ERR


def reply(request: int, value: int = 0) -> Message:
    return Message(request, pack_u64(value), flags=VERSION | FLAG_REPLY)


def opened(*, replies: bool = True) -> tuple[BackendChannel, list[Message]]:
    """A channel, and what it sends."""
    channel = BackendChannel()
    channel.replies = replies
    sent: list[Message] = []
    channel.open(sent.append)
    return channel, sent


def test_a_request_waits_for_the_answer_to_the_one_before() -> None:
    channel, sent = opened()
    channel.request(CALL, VringState(0).pack())
    channel.request(CONFIG)
    assert [(m.request, m.flags) for m in sent] == [(CALL, 0x9)], "alone, and with need_reply"
    channel.receive(reply(CALL))
    assert [m.request for m in sent] == [CALL, CONFIG]
    channel.receive(reply(CONFIG))
    channel.request(CALL, VringState(1).pack())
    assert sent[-1].payload == VringState(1).pack()


def test_equal_requests_that_wait_are_one() -> None:
    channel, sent = opened()
    for _ in range(1000):
        channel.request(CALL, VringState(0).pack())
        channel.request(CALL, VringState(1).pack())
    for _ in range(3):
        channel.receive(reply(CALL))
    assert [m.payload[0] for m in sent] == [0, 1, 0]
    with pytest.raises(ProtocolFault, match="VRING_CALL answers no request"):
        channel.receive(reply(CALL))


def test_without_acknowledgements_nothing_waits() -> None:
    channel, sent = opened(replies=False)
    channel.request(CONFIG)
    channel.request(CONFIG)
    assert [m.flags for m in sent] == [VERSION, VERSION]


def test_it_does_not_listen_before_it_is_open_and_after_it_is_closed() -> None:
    channel = BackendChannel()
    channel.replies = True
    sent: list[Message] = []
    channel.request(CONFIG)
    channel.open(sent.append)
    assert not sent
    channel.request(CALL)
    channel.request(CONFIG)
    channel.close()
    channel.request(ERROR)
    channel.open(sent.append)
    assert [m.request for m in sent] == [CALL]


def test_a_new_socket_is_not_kept_waiting_by_the_old_one() -> None:
    channel, _ = opened()
    new: list[Message] = []
    channel.request(CALL)
    channel.request(CONFIG)
    channel.open(new.append)
    assert [m.request for m in new] == [CONFIG]


def test_a_refusal_is_an_answer() -> None:
    channel, sent = opened()
    channel.request(CONFIG)
    channel.receive(reply(CONFIG, value=1))
    channel.request(CONFIG)
    assert len(sent) == 2


@pytest.mark.parametrize("message", [reply(ERROR), Message(CONFIG, pack_u64(0)), reply(99)])
def test_an_answer_that_was_not_asked_for_is_refused(message: Message) -> None:
    channel, _ = opened()
    channel.request(CONFIG)
    with pytest.raises(ProtocolFault, match=r"^backend channel: .* answers no request$"):
        channel.receive(message)
