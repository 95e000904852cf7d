from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from enum import IntEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtio.errors import ProtocolFault
from virtio.vhost_user.messages import (
    FLAG_NEED_REPLY,
    FLAG_REPLY,
    HEADER,
    PAYLOAD_LIMIT,
    VERSION,
    Decoder,
    Message,
    ProtocolFeature,
    Request,
    request_name,
)

messages = st.builds(
    lambda request, payload, flags: Message(request, payload, flags=VERSION | flags),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=64),
    st.sampled_from([0, FLAG_REPLY, FLAG_NEED_REPLY]),
)


def split(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Cut into pieces of these sizes, over and over."""
    pieces: list[bytes] = []
    position = 0
    while position < len(data):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[position : position + size])
        position += size
    return pieces


@given(st.lists(messages, max_size=8), st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_any_splitting_of_the_stream_yields_the_same_messages(sent: list[Message], sizes: list[int]) -> None:
    decoder = Decoder()
    stream = b"".join(message.encode() for message in sent)
    received = [message for piece in split(stream, sizes) for message in decoder.feed(piece)]
    decoder.end()
    assert [(m.request, m.flags, m.payload) for m in received] == [
        (m.request, m.flags, m.payload) for m in sent
    ]


@given(st.lists(st.tuples(st.binary(max_size=20), st.integers(0, 2)), min_size=1, max_size=4))
def test_descriptors_stay_with_the_message_of_their_first_byte(sent: list[tuple[bytes, int]]) -> None:
    """Reading `wanted` bytes at a time, as the shell does."""
    decoder, received, expected = Decoder(), [], []
    for payload, count in sent:
        data, fds = Message(1, payload).encode(), [os.eventfd(0) for _ in range(count)]
        expected.append(list(fds))
        while data:
            piece, data = data[: decoder.wanted], data[decoder.wanted :]
            received += decoder.feed(piece, fds)
            fds = []
    assert [message.fds for message in received] == expected
    for message in received:
        message.close()


def test_wanted_never_crosses_a_message() -> None:
    decoder = Decoder()
    assert decoder.wanted == HEADER.size
    decoder.feed(HEADER.pack(1, VERSION, 10)[:5])
    assert decoder.wanted == HEADER.size - 5
    decoder.feed(HEADER.pack(1, VERSION, 10)[5:])
    assert decoder.wanted == 10
    assert [m.payload for m in decoder.feed(bytes(10))] == [bytes(10)]
    assert decoder.wanted == HEADER.size


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ((5, 2, 8), "SET_MEM_TABLE: message version 2, expected 1"),
        ((5, 1, PAYLOAD_LIMIT + 1), "SET_MEM_TABLE: payload of 4097 bytes, at most 4096 are allowed"),
        ((77, 1, 0xFFFF_FFFF), "request 77: payload of 4294967295 bytes, at most 4096 are allowed"),
    ],
)
def test_a_stream_out_of_step_is_refused_and_its_descriptors_closed(
    header: tuple[int, int, int], line: str
) -> None:
    fd = os.eventfd(0)
    with pytest.raises(ProtocolFault, match=f"^{line}$"):
        Decoder().feed(struct.pack("=III", *header), [fd])
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_fault_closes_the_descriptors_of_whole_messages_before_it() -> None:
    fd = os.eventfd(0)
    with pytest.raises(ProtocolFault, match="message version 2"):
        Decoder().feed(Message(Request.SET_OWNER).encode() + struct.pack("=III", 5, 2, 8), [fd])
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        (5, "connection ended in a message header, after 5 of 12 bytes"),
        (12, "connection ended in SET_VRING_ADDR, after 12 of 52 bytes"),
        (51, "connection ended in SET_VRING_ADDR, after 51 of 52 bytes"),
    ],
)
def test_half_a_message_at_the_end_says_how_much_of_what(sent: int, line: str) -> None:
    decoder = Decoder()
    data = Message(Request.SET_VRING_ADDR, bytes(40)).encode()
    decoder.feed(data[:sent], [os.eventfd(0)])
    with pytest.raises(ProtocolFault, match=f"^{line}$"):
        decoder.end()


def test_an_end_between_messages_is_no_fault() -> None:
    decoder = Decoder()
    decoder.feed(Message(1).encode())
    decoder.end()


def test_closing_a_decoder_closes_the_descriptors_of_half_a_message() -> None:
    decoder, fd = Decoder(), os.eventfd(0)
    decoder.feed(b"\5", [fd])
    decoder.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_other_streams_have_other_versions_names_and_limits() -> None:
    class Number(IntEnum):
        ONE = 1

    decoder = Decoder(version=0, names=Number, limit=8)
    assert [m.request for m in decoder.feed(HEADER.pack(1, FLAG_REPLY, 0))] == [1]
    with pytest.raises(ProtocolFault, match=r"^ONE: payload of 9 bytes, at most 8 are allowed$"):
        decoder.feed(HEADER.pack(1, 0, 9))


def test_a_message_gives_its_descriptors_away_once() -> None:
    fd = os.eventfd(0)
    message = Message(1, fds=[fd])
    assert message.take_fd() == fd
    message.close()
    os.close(fd)


def test_a_reply_has_the_reply_flag_alone() -> None:
    message = Message(Request.GET_FEATURES, flags=VERSION | FLAG_NEED_REPLY)
    assert message.needs_reply
    reply = message.reply(b"12345678")
    assert (reply.request, reply.flags, reply.payload) == (1, 0x5, b"12345678")
    assert not reply.needs_reply


def test_numbers_are_those_of_the_protocol() -> None:
    assert (Request.SET_MEM_TABLE, Request.GPU_SET_SOCKET, Request.GET_STATUS) == (5, 33, 40)
    assert ProtocolFeature.INBAND_NOTIFICATIONS.mask == 0x4000
    assert request_name(Request.VRING_KICK) == "VRING_KICK"
    assert request_name(99) == "request 99"


def test_a_message_shows_what_it_is() -> None:
    assert repr(Message(24, b"abc")) == "<Message GET_CONFIG 3 bytes, 0 fds>"
