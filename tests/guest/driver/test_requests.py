from collections.abc import Iterator
from functools import partial

import pytest

from guest.driver.requests import MAX_BUFFERS, Answer, RequestQueue
from guest.driver.ring import DeviceFault
from guest.memory import PAGE, GuestRam
from virtio.errors import Misuse
from virtio.features import SPLIT_RING
from virtio.gpu.wire import Header, Response, pack
from virtio.ring import SplitQueue

FEATURES = int(SPLIT_RING)
OK = pack(Header(Response.OK_NODATA))


class Pair:
    """A request queue, and a device that answers as it is told."""

    def __init__(self, ram: GuestRam, size: int = 4, *, indirect: bool = True) -> None:
        self.ram = ram
        self.queue = RequestQueue(ram, size, features=FEATURES, indirect=indirect)
        self.device = SplitQueue(ram.memory, self.queue.config, features=FEATURES)
        self.shapes: list[tuple[list[int], list[int]]] = []

    def serve(self, answer: bytes = OK) -> list[bytes]:
        requests = []
        while chain := self.device.pop():
            self.shapes.append(([len(b) for b in chain.readable], [len(b) for b in chain.writable]))
            requests.append(chain.read(1 << 20))
            self.device.add_used(chain, chain.write(answer))
        return requests

    def reap(self) -> None:
        for answer, done in self.queue.reap():
            done(answer)


def record(order: list[int], number: int, _: Answer) -> None:
    order.append(number)


@pytest.fixture
def ram() -> Iterator[GuestRam]:
    with GuestRam(4 << 20, seed=5) as ram:
        yield ram


def test_header_and_list_are_descriptors_of_their_own_like_linuxs(ram: GuestRam) -> None:
    pair = Pair(ram)
    pair.queue.submit(b"h" * 56, extra=b"e" * 4696, answer_size=24)
    assert pair.serve() == [b"h" * 56 + b"e" * 4696]
    assert pair.shapes == [([56, 4096, 600], [24])]


def test_answers_come_in_order_with_what_was_written(ram: GuestRam) -> None:
    pair, answers = Pair(ram), list[Answer]()
    for _ in range(2):
        pair.queue.submit(b"request", answer_size=100, done=answers.append)
    pair.queue.submit(b"not waited for", answer_size=100)
    pair.serve(OK + b"body")
    pair.reap()
    assert answers == [Answer(Header(Response.OK_NODATA), OK + b"body")] * 2


def test_cursor_requests_take_one_descriptor_and_no_answer(ram: GuestRam) -> None:
    pair = Pair(ram, indirect=False)
    pair.queue.submit(b"c" * 56)
    assert pair.serve() == [b"c" * 56]
    assert pair.shapes == [([56], [])]
    pair.reap()


def test_what_does_not_fit_waits_for_its_turn(ram: GuestRam) -> None:
    pair, order = Pair(ram, 2), list[int]()
    for number in range(7):
        pair.queue.submit(bytes([number]), answer_size=24, done=partial(record, order, number))
    served = []
    while batch := pair.serve():
        served += batch
        pair.reap()
    assert served == [bytes([number]) for number in range(7)]
    assert order == list(range(7))


def test_without_indirect_tables_a_long_chain_waits_for_enough_descriptors(ram: GuestRam) -> None:
    pair = Pair(ram, 4, indirect=False)
    pair.queue.submit(b"a", answer_size=24)
    pair.queue.submit(b"b", extra=bytes(PAGE), answer_size=24)
    assert pair.serve() == [b"a"]
    pair.reap()
    assert pair.serve() == [b"b" + bytes(PAGE)]


def test_requests_made_inside_a_callback_are_sent(ram: GuestRam) -> None:
    pair = Pair(ram)
    pair.queue.submit(b"first", answer_size=24, done=lambda _: pair.queue.submit(b"second", answer_size=24))
    pair.serve()
    pair.reap()
    assert pair.serve() == [b"second"]


def test_all_memory_comes_back(ram: GuestRam) -> None:
    before = ram.free_bytes
    pair = Pair(ram, 2)
    for _ in range(5):
        pair.queue.submit(b"m", extra=bytes(3 * PAGE), answer_size=24)
    pair.serve()
    pair.reap()
    pair.queue.close()
    assert ram.free_bytes == before


def test_a_list_beyond_one_chain_is_refused(ram: GuestRam) -> None:
    with pytest.raises(Misuse, match="does not fit into one request"):
        Pair(ram).queue.submit(b"m", extra=bytes(MAX_BUFFERS * PAGE), answer_size=24)


def test_an_answer_shorter_than_a_header_is_the_devices_fault(ram: GuestRam) -> None:
    pair = Pair(ram)
    pair.queue.submit(b"m", answer_size=24)
    pair.serve(b"short")
    with pytest.raises(DeviceFault, match="5 bytes, less than a header"):
        pair.reap()


def test_what_is_used_while_reaping_is_reaped_too(ram: GuestRam) -> None:
    pair, answers = Pair(ram), list[Answer]()

    def device_is_quick(_: Answer) -> None:
        pair.serve()

    pair.queue.submit(b"1", answer_size=24, done=device_is_quick)
    pair.serve()
    pair.queue.submit(b"2", answer_size=24, done=answers.append)
    pair.reap()
    assert len(answers) == 1
