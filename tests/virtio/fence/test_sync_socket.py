"""The pair of sockets: what holders see, whatever the other end does."""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Iterator

import pytest

from virtio.fence.fence import Fence
from virtio.fence.sync_socket import HolderEnd, ProducerEnd, _disown, make_pair, shorten

Pair = tuple[ProducerEnd, HolderEnd]


@pytest.fixture
def pair() -> Iterator[Pair]:
    producer, holder = make_pair(3, 7, "gpu")
    yield producer, holder
    producer.close()
    holder.close()


def hostile(*records: bytes) -> HolderEnd:
    """A holder's end whose maker sent what it liked."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        for record in records:
            theirs.send(record)
    ours.setblocking(False)
    return HolderEnd(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, ours.detach())


def test_a_new_pair_is_active(pair: Pair) -> None:
    producer, holder = pair
    assert holder.peek() == (0, None)
    assert not holder.poll(select.POLLIN, 0)
    assert producer.is_heard()


def test_the_record_stays_however_often_it_is_looked_at(pair: Pair) -> None:
    producer, holder = pair
    producer.finish(1, 55)
    for _ in range(3):
        assert holder.peek() == (1, 55)
        assert holder.poll(select.POLLIN, 0)


def test_the_record_is_what_became_of_the_fence(pair: Pair) -> None:
    producer, holder = pair
    fence = Fence()
    fence.add_callback(producer.tell)
    fence.signal(-errno.EIO, now_ns=6)
    assert holder.peek() == (-errno.EIO, 6)


def test_a_time_need_not_be_known(pair: Pair) -> None:
    producer, holder = pair
    producer.finish(-errno.EIO, None)
    assert holder.peek() == (-errno.EIO, None)


def test_only_the_first_record_counts(pair: Pair) -> None:
    producer, holder = pair
    producer.finish(1, 5)
    producer.finish(-errno.EIO, 6)
    assert holder.peek() == (1, 5)


def test_a_pair_knows_its_name_its_numbers_and_its_maker(pair: Pair) -> None:
    assert pair[1].identity() == (3, 7, "gpu")
    assert pair[1].producer_pid() == os.getpid()


def test_the_longest_numbers_and_names_have_room() -> None:
    name = shorten("ß\n" * 20)
    assert (name, len(name.encode())) == ("ß\n" * 10 + "ß", 32)
    assert shorten("x" * 31 + "ß") == "x" * 31
    producer, holder = make_pair(-(1 << 63), (1 << 64) - 1, name)
    with producer, holder:
        assert holder.identity() == (-(1 << 63), (1 << 64) - 1, name)


def test_pairs_of_one_name_do_not_collide(pair: Pair) -> None:
    producer, holder = make_pair(3, 7, "gpu")
    with producer, holder:
        assert holder.getsockname() != pair[1].getsockname()


def test_an_end_that_closes_without_a_record_is_a_producer_that_died(pair: Pair) -> None:
    producer, holder = pair
    producer.close()
    assert holder.poll(select.POLLIN, 0)
    assert holder.peek() == (-errno.ESRCH, None)


def test_an_end_that_is_dropped_says_that_no_signal_can_come_any_more() -> None:
    producer, holder = make_pair(1, 1, "gpu")
    del producer
    with holder:
        assert holder.peek() == (-errno.EDEADLK, None)


def test_the_producer_finds_out_when_no_holder_is_left(pair: Pair) -> None:
    producer, holder = pair
    other = holder.dup()
    holder.close()
    assert producer.is_heard()
    other.close()
    assert not producer.is_heard()
    producer.finish(1, 0)
    assert not producer.is_heard()


def test_holders_cannot_send(pair: Pair) -> None:
    producer, holder = pair
    with pytest.raises(BrokenPipeError):
        holder.send(b"hello")
    producer.finish(1, 5)
    assert holder.peek() == (1, 5)


def test_a_holder_that_takes_the_record_makes_no_other_wait(pair: Pair) -> None:
    producer, holder = pair
    producer.finish(1, 5)
    holder.recv(64)
    assert holder.poll(select.POLLIN, 0)
    assert holder.peek()[0] == -errno.ESRCH


@pytest.mark.parametrize(
    "record", [b"x", bytes(13), bytes(12), (2).to_bytes(4, "little") + bytes(8)],
    ids=["short", "long", "status-0", "status-2"],
)  # fmt: skip
def test_a_forged_record_is_an_error_and_never_active(record: bytes) -> None:
    with hostile(record) as holder:
        assert holder.peek() == (-errno.EBADMSG, None)


def test_a_socket_that_cannot_be_read_is_an_error() -> None:
    with HolderEnd(socket.AF_UNIX, socket.SOCK_SEQPACKET) as lonely:
        assert lonely.peek() == (-errno.EBADMSG, None)


@pytest.mark.parametrize(
    ("family", "kind", "address"),
    [
        (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        (socket.AF_UNIX, socket.SOCK_SEQPACKET, b"\0scanout.sync1/z%015x/3:4/gpu" % os.getpid()),
        (socket.AF_UNIX, socket.SOCK_DGRAM, b"\0scanout.sync1/%016x/3:4/gpu" % os.getpid()),
    ],
    ids=["inet", "address", "kind"],
)
def test_other_sockets_have_no_identity(
    family: socket.AddressFamily, kind: socket.SocketKind, address: bytes | tuple[str, int]
) -> None:
    with HolderEnd(family, kind) as other:
        other.bind(address)
        assert other.identity() is None


def test_a_forked_child_gives_up_the_producers_ends(pair: Pair) -> None:
    producer, holder = pair
    _disown()
    assert producer.fileno() < 0
    producer.finish(1, 5)
    assert holder.peek() == (-errno.ESRCH, None)
