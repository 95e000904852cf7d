from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guest.driver.ring import DeviceFault, DriverQueue
from guest.memory import PAGE, GuestRam
from virtio.errors import Misuse
from virtio.features import RingFeature
from virtio.ring import QueueConfig, SplitQueue

SIZE = 8
FEATURES = [0, int(RingFeature.EVENT_IDX)]
INDIRECT = int(RingFeature.INDIRECT_DESC)


class Pair:
    """Both ends of one queue."""

    def __init__(self, ram: GuestRam, features: int) -> None:
        self.memory = ram.memory
        base = ram.allocate_contiguous(3 * PAGE)[0]
        config = QueueConfig(SIZE, base, base + PAGE, base + 2 * PAGE)
        self.driver: DriverQueue[int] = DriverQueue(ram.memory, config, features=features)
        self.device = SplitQueue(ram.memory, config, features=features | INDIRECT)
        self.driver.enable_interrupts()
        self.device.enable_kicks()
        self.page = ram.allocate_contiguous(PAGE)[0]

    def serve(self) -> list[bytes]:
        """Echo every request into its answer, reversed."""
        requests = []
        while chain := self.device.pop():
            requests.append(chain.read(PAGE))
            self.device.add_used(chain, chain.write(requests[-1][::-1]))
        return requests


@pytest.fixture
def ram() -> Iterator[GuestRam]:
    with GuestRam(1 << 20) as ram:
        yield ram


@pytest.fixture(params=FEATURES, ids=["flags", "event-index"])
def pair(request: pytest.FixtureRequest, ram: GuestRam) -> Pair:
    return Pair(ram, request.param)


@pytest.mark.parametrize("indirect", [False, True])
def test_the_device_reads_the_request_and_the_driver_its_answer(pair: Pair, indirect: bool) -> None:
    pair.memory.write(pair.page, b"abcdef")
    table = pair.page + 1024 if indirect else None
    readable = [(pair.page, 2), (pair.page + 2, 4)]
    pair.driver.add(readable, [(pair.page + 512, 16)], 42, table=table)
    assert pair.driver.free == SIZE - (1 if indirect else 3)
    assert pair.serve() == [b"abcdef"]
    assert list(pair.driver.reap()) == [(42, 6)]
    assert pair.memory.read(pair.page + 512, 6) == b"fedcba"
    assert (pair.driver.free, pair.driver.in_flight) == (SIZE, 0)


def test_a_full_queue_refuses_and_goes_on_after_a_reap(pair: Pair) -> None:
    for token in range(SIZE):
        pair.driver.add([(pair.page, 1)], [], token)
    with pytest.raises(Misuse, match="1 descriptors wanted, 0 free"):
        pair.driver.add([(pair.page, 1)], [], 99)
    assert len(pair.serve()) == SIZE
    assert [token for token, _ in pair.driver.reap()] == list(range(SIZE))
    pair.driver.add([(pair.page, 1)], [], 99)
    assert len(pair.serve()) == 1


def test_indices_wrap_at_16_bits(pair: Pair) -> None:
    for token in range(70_000):
        pair.driver.add([(pair.page, 1)], [], token)
        chain = pair.device.pop()
        assert chain is not None
        pair.device.add_used(chain, 0)
        assert list(pair.driver.reap()) == [(token, 0)]


def test_a_device_that_uses_what_it_was_not_given_is_at_fault(pair: Pair) -> None:
    pair.driver.add([(pair.page, 1)], [], 1)
    chain = pair.device.pop()
    assert chain is not None
    chain.head = 5
    pair.device._in_flight[5] = chain
    pair.device.add_used(chain, 0)
    with pytest.raises(DeviceFault, match="chain 5"):
        list(pair.driver.reap())


def test_abandoned_requests_come_back_once(pair: Pair) -> None:
    pair.driver.add([(pair.page, 1)], [], 1)
    pair.driver.add([(pair.page, 1)], [], 2)
    assert sorted(pair.driver.abandon()) == [1, 2]
    assert pair.driver.abandon() == []


def test_suppressed_interrupts_are_not_asked_for(pair: Pair) -> None:
    pair.driver.suppress_interrupts()
    pair.driver.add([(pair.page, 1)], [], 1)
    pair.serve()
    assert not pair.device.should_notify()
    assert pair.driver.enable_interrupts()
    list(pair.driver.reap())
    assert not pair.driver.enable_interrupts()
    pair.driver.add([(pair.page, 1)], [], 2)
    pair.serve()
    assert pair.device.should_notify()


def test_suppressed_kicks_are_not_made(pair: Pair) -> None:
    pair.device.suppress_kicks()
    pair.driver.add([(pair.page, 1)], [], 1)
    if pair.driver._event_index:  # there the hint is that the event stays where it is
        assert pair.driver.should_kick()
        pair.driver.add([(pair.page, 1)], [], 2)
    assert not pair.driver.should_kick()
    assert pair.device.enable_kicks()
    pair.serve()
    pair.device.enable_kicks()
    assert not pair.driver.should_kick()  # nothing new
    pair.driver.add([(pair.page, 1)], [], 3)
    assert pair.driver.should_kick()


@given(features=st.sampled_from(FEATURES), seed=st.integers(0, 2**32), steps=st.integers(1, 120))
def test_no_wake_up_is_ever_lost(features: int, seed: int, steps: int) -> None:
    """Each side works only when the other side's notification, or its own last look, says so."""
    random = Random(seed)
    with GuestRam(1 << 20) as ram:
        pair = Pair(ram, features)
        kicked = interrupted = False
        sent: list[int] = []
        done: list[int] = []

        def device_runs() -> None:
            nonlocal kicked, interrupted
            kicked = False
            pair.device.suppress_kicks()
            while True:
                pair.serve()
                if not pair.device.enable_kicks():
                    break
            interrupted |= pair.device.should_notify()

        def driver_runs() -> None:
            nonlocal interrupted
            interrupted = False
            while True:
                pair.driver.suppress_interrupts()
                done.extend(token for token, _ in pair.driver.reap())
                if not pair.driver.enable_interrupts():
                    break

        for step in range(steps):
            choice = random.random()
            if choice < 0.5 and pair.driver.free >= 2:
                pair.driver.add([(pair.page, 4)], [(pair.page + 8, 4)], step)
                sent.append(step)
            elif choice < 0.7:
                kicked |= pair.driver.should_kick()
            elif choice < 0.85 and kicked:
                device_runs()
            elif interrupted:
                driver_runs()
        for _ in range(3):
            kicked |= pair.driver.should_kick()
            if kicked:
                device_runs()
            if interrupted:
                driver_runs()
        assert done == sent
