"""`virtio.ring.split`: a driver's model and the queue, in every interleaving; and what hostile rings do."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from virtio.errors import InternalError, QueueFault
from virtio.features import RingFeature
from virtio.memory import GuestMemory, Region, SharedHandle
from virtio.ring import Chain, QueueConfig, SplitQueue, layout, split

TABLE, AVAIL, USED, INDIRECT, BUFFERS, END = 0x0, 0x1000, 0x2000, 0x4000, 0xF800, 0x2_0000
INDIRECT_DESC, EVENT_IDX = RingFeature.INDIRECT_DESC, RingFeature.EVENT_IDX
NEXT, WRITE = layout.DESC_F_NEXT, layout.DESC_F_WRITE
WRAP = 0xFFFF


class Driver:
    """The driver's side, as plain as it can be: request n is stored in, and answered to, slot n of BUFFERS.

    A request is 4 bytes to read, cut in two descriptors, and 4 bytes to write. The slots lie on both sides
    of the border of two regions.
    """

    def __init__(self, memory: GuestMemory, size: int, features: int = 0, start: int = 0) -> None:
        self.memory, self.size, self.features, self.start = memory, size, features, start
        self.config = QueueConfig(size, TABLE, AVAIL, USED)
        self.slots = list(range(size if features & INDIRECT_DESC else size // 3))
        self.waiting: dict[int, bytes] = {}
        self.available = self.used = self.kicked_at = start
        memory.store(AVAIL + 2, 2, start)
        memory.store(USED + 2, 2, start)
        self.set_wish(start)

    def device(self) -> SplitQueue:
        return SplitQueue(self.memory, self.config, features=self.features, next_available=self.start)

    def descriptors(self, slot: int) -> list[tuple[int, int, int]]:
        buffer = BUFFERS + 1022 + 8 * slot
        return [(buffer, 1, 0), (buffer + 1, 3, 0), (buffer + 4, 4, WRITE)]

    def submit(self, request: bytes) -> int:
        """Publish a request; returns its head."""
        slot = self.slots.pop()
        indirect = bool(self.features & INDIRECT_DESC)
        first, table = (0, INDIRECT + 48 * slot) if indirect else (3 * slot, TABLE)
        for n, (address, length, flags) in enumerate(self.descriptors(slot)):
            following = (flags, 0) if n == 2 else (flags | NEXT, first + n + 1)
            entry = layout.DESCRIPTOR.pack(address, length, *following)
            self.memory.write(table + 16 * (first + n), entry)
        if indirect:
            entry = layout.DESCRIPTOR.pack(table, 48, layout.DESC_F_INDIRECT, 0)
            self.memory.write(TABLE + 16 * slot, entry)
        head = slot if indirect else first
        self.memory.write(self.descriptors(slot)[0][0], request)
        self.waiting[head] = request
        self.publish(head)
        return head

    def publish(self, head: int) -> None:
        self.memory.store(AVAIL + 4 + 2 * (self.available % self.size), 2, head)
        self.available = (self.available + 1) & WRAP
        self.memory.store(AVAIL + 2, 2, self.available)

    def wants_kick(self) -> bool:
        """Whether the device asked for a notification of what was published since the last call."""
        old, self.kicked_at = self.kicked_at, self.available
        if self.features & EVENT_IDX:
            event = self.memory.load(USED + 4 + 8 * self.size, 2)
            return (self.available - event - 1) & WRAP < (self.available - old) & WRAP
        return not self.memory.load(USED, 2)

    def reap(self) -> int:
        """Take everything used back, checking every answer; returns how many."""
        count = 0
        while self.used != self.memory.load(USED + 2, 2):
            element = self.memory.read(USED + 4 + 8 * (self.used % self.size), 8)
            head, length = layout.USED_ELEMENT.unpack(element)
            request = self.waiting.pop(head)  # KeyError: used twice, or never submitted
            slot = head if self.features & INDIRECT_DESC else head // 3
            answer = self.memory.read(self.descriptors(slot)[2][0], 4)
            assert (answer, length) == (request[::-1], 4)
            self.slots.append(slot)
            self.used = (self.used + 1) & WRAP
            count += 1
        return count

    def set_wish(self, event: int, *, interrupts: bool = True) -> None:
        """Ask to be told when used buffer `event` arrives."""
        self.memory.store(AVAIL + 4 + 2 * self.size, 2, event & WRAP)
        self.memory.store(AVAIL, 2, not interrupts)


def pop(queue: SplitQueue) -> Chain:
    chain = queue.pop()
    assert chain is not None
    return chain


def answer(queue: SplitQueue, chain: Chain) -> None:
    queue.add_used(chain, chain.write(chain.read(99)[::-1]))


ANY = [0, INDIRECT_DESC, EVENT_IDX, INDIRECT_DESC | EVENT_IDX]


@pytest.mark.parametrize("weakly_ordered", [False, True])
@pytest.mark.parametrize("features", ANY)
@pytest.mark.parametrize("start", [0, 0xFFFD])
def test_requests_are_answered_in_order(
    memory: GuestMemory, monkeypatch: pytest.MonkeyPatch, features: int, start: int, *, weakly_ordered: bool
) -> None:
    monkeypatch.setattr(split, "WEAKLY_ORDERED", weakly_ordered)
    driver = Driver(memory, 8, features, start)
    queue = driver.device()
    assert queue.pop() is None
    for turn in range(10):
        for n in range(2):
            driver.submit(bytes([turn, n, 3, 4]))
        for _ in range(2):
            answer(queue, pop(queue))
        assert queue.pop() is None
        assert driver.reap() == 2
    assert queue.next_available == queue.next_used == (start + 20) & WRAP


def test_requests_are_answered_out_of_order(memory: GuestMemory) -> None:
    driver = Driver(memory, 16)
    queue = driver.device()
    for n in range(5):
        driver.submit(bytes([n] * 4))
    chains = [pop(queue) for _ in range(5)]
    assert queue.in_flight == 5
    for n in (3, 0, 4, 2, 1):
        answer(queue, chains[n])
    assert (driver.reap(), queue.in_flight) == (5, 0)


def test_a_used_element_says_which_chain_and_how_many_bytes(memory: GuestMemory) -> None:
    driver = Driver(memory, 8)
    queue = driver.device()
    head = driver.submit(b"abcd")
    queue.add_used(pop(queue), 3)
    assert memory.read(USED, 12) == bytes([0, 0, 1, 0, head, 0, 0, 0, 3, 0, 0, 0])


def test_a_chain_is_used_once(memory: GuestMemory) -> None:
    driver = Driver(memory, 8)
    queue = driver.device()
    driver.submit(b"abcd")
    chain = pop(queue)
    answer(queue, chain)
    with pytest.raises(InternalError, match=rf"chain {chain.head} is used twice"):
        queue.add_used(chain, 4)
    assert driver.reap() == 1


def test_a_chain_is_used_in_its_own_queue(memory: GuestMemory) -> None:
    driver = Driver(memory, 8)
    one, other = driver.device(), driver.device()
    driver.submit(b"abcd")
    chain, twin = pop(one), pop(other)
    with pytest.raises(InternalError, match="not its own"):
        other.add_used(chain, 4)
    assert one.in_flight == 1
    assert twin.head == chain.head


def test_a_chain_made_available_twice_at_once_is_a_fault(memory: GuestMemory) -> None:
    driver = Driver(memory, 8)
    queue = driver.device()
    driver.publish(driver.submit(b"abcd"))
    chain = pop(queue)
    with pytest.raises(QueueFault, match=f"chain {chain.head} is made available again"):
        queue.pop()


@pytest.mark.parametrize("jump", [9, 0x8000, 0xFFFF])
def test_an_available_index_that_jumps_is_a_fault(memory: GuestMemory, jump: int) -> None:
    queue = Driver(memory, 8).device()
    memory.store(AVAIL + 2, 2, jump)
    with pytest.raises(QueueFault, match=f"available index jumps by {jump} in a queue of 8"):
        queue.pop()


def test_a_fault_consumes_nothing(memory: GuestMemory) -> None:
    driver = Driver(memory, 8)
    queue = driver.device()
    driver.publish(7)
    for _ in range(2):
        with pytest.raises(QueueFault, match="has no bytes"):
            queue.pop()
    assert (queue.next_available, queue.in_flight) == (0, 0)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ((END, AVAIL, USED), "descriptor table: no memory region holds"),
        ((TABLE, END - 16, USED), "available ring: no memory region holds"),
        ((TABLE, AVAIL, 0xFFF0), "used ring: no memory region holds"),
        ((TABLE + 1, AVAIL, USED), "not 16-byte aligned"),
    ],
)
def test_a_queue_that_is_not_in_memory_is_a_fault(
    memory: GuestMemory, places: tuple[int, int, int], message: str
) -> None:
    with pytest.raises(QueueFault, match=message):
        SplitQueue(memory, QueueConfig(8, *places))


def test_a_queue_goes_on_where_another_stopped(memory: GuestMemory) -> None:
    driver = Driver(memory, 8)
    queue = driver.device()
    for n in range(2):
        driver.submit(bytes([n] * 4))
    answer(queue, pop(queue))
    restarted = SplitQueue(memory, driver.config, next_available=queue.next_available)
    assert restarted.next_used == 1, "read from the used ring"
    answer(restarted, pop(restarted))
    assert driver.reap() == 2
    assert SplitQueue(memory, driver.config, next_available=2, next_used=7).next_used == 7


@pytest.mark.parametrize("features", [0, EVENT_IDX])
def test_a_restarted_queue_tells_once_too_often(memory: GuestMemory, features: int) -> None:
    """The device before may have died between using a buffer and telling so."""
    driver = Driver(memory, 8, features)
    queue = driver.device()
    driver.submit(b"abcd")
    answer(queue, pop(queue))
    restarted = SplitQueue(memory, driver.config, features=features, next_available=1)
    assert restarted.should_notify()
    assert not restarted.should_notify()


def test_nothing_used_is_nothing_to_tell(memory: GuestMemory) -> None:
    queue = Driver(memory, 8).device()
    assert not queue.should_notify()


def test_the_driver_suppresses_notifications_by_flag(memory: GuestMemory) -> None:
    driver = Driver(memory, 8)
    queue = driver.device()
    for wanted in (True, False, True):
        driver.set_wish(0, interrupts=wanted)
        driver.submit(b"abcd")
        answer(queue, pop(queue))
        assert queue.should_notify() is wanted
        driver.reap()


@pytest.mark.parametrize("start", [0, 0xFFFE])
def test_the_driver_asks_for_the_nth_buffer_by_event_index(memory: GuestMemory, start: int) -> None:
    driver = Driver(memory, 8, EVENT_IDX | INDIRECT_DESC, start)
    queue = driver.device()
    queue.should_notify()
    driver.set_wish(start + 2, interrupts=False)
    told = []
    for _ in range(5):
        driver.submit(b"abcd")
        answer(queue, pop(queue))
        told.append(queue.should_notify())
    assert told == [False, False, True, False, False], "and the flag is ignored"


def test_a_batch_that_passes_the_event_index_is_told(memory: GuestMemory) -> None:
    driver = Driver(memory, 8, EVENT_IDX | INDIRECT_DESC)
    queue = driver.device()
    driver.set_wish(2)
    for _ in range(5):
        driver.submit(b"abcd")
        answer(queue, pop(queue))
    assert queue.should_notify()


def test_a_batch_as_long_as_the_index_goes_is_told(memory: GuestMemory) -> None:
    """After 65,536 buffers the index is what it was: counting must not wrap with it."""
    driver = Driver(memory, 1, EVENT_IDX | INDIRECT_DESC)
    queue = driver.device()
    driver.submit(b"abcd")
    answer(queue, pop(queue))
    queue.should_notify()
    for _ in range(1 << 16):
        driver.publish(0)
        queue.add_used(pop(queue), 0)
    assert queue.should_notify()


def test_the_device_suppresses_kicks_by_flag(memory: GuestMemory) -> None:
    driver = Driver(memory, 8)
    queue = driver.device()
    queue.suppress_kicks()
    driver.submit(b"abcd")
    assert not driver.wants_kick()
    assert queue.enable_kicks(), "one arrived before"
    answer(queue, pop(queue))
    assert not queue.enable_kicks()
    driver.submit(b"abcd")
    assert driver.wants_kick()


def test_the_device_suppresses_kicks_by_event_index(memory: GuestMemory) -> None:
    driver = Driver(memory, 8, EVENT_IDX)
    queue = driver.device()
    assert not queue.enable_kicks()
    kicks = []
    for _ in range(2):
        driver.submit(b"abcd")
        kicks.append(driver.wants_kick())
        queue.suppress_kicks()
    assert kicks == [True, False]
    assert memory.load(USED, 2) == 0, "the flag stays 0 with EVENT_IDX (2.7.10.1)"
    assert queue.enable_kicks()


class Conversation(RuleBasedStateMachine):
    """Driver and device take turns in any order, each sleeps, and each is woken only by the other's word."""

    def __init__(self) -> None:
        super().__init__()
        self.handle = SharedHandle.create(END)
        half = END // 2
        regions = [Region(0, half, self.handle, offset=half), Region(half, half, self.handle)]
        self.memory = GuestMemory(regions)
        self.sent = self.answered = 0
        self.device_asleep = self.driver_asleep = False
        self.untold = False

    @initialize(
        size=st.sampled_from([4, 8, 32]),
        features=st.sampled_from(ANY),
        start=st.sampled_from([0, 0x7FFF, 0xFFF8, 0xFFFF]),
    )
    def begin(self, size: int, features: int, start: int) -> None:
        self.driver = Driver(self.memory, size, features, start)
        self.queue = self.driver.device()
        self.queue.should_notify()
        self.held: list[Chain] = []

    @precondition(lambda self: self.driver.slots and not self.driver_asleep)
    @rule(count=st.integers(1, 40))
    def driver_submits(self, count: int) -> None:
        for _ in range(min(count, len(self.driver.slots))):
            self.driver.submit(self.sent.to_bytes(4, "little"))
            self.sent += 1
        if self.driver.wants_kick():
            self.device_asleep = False

    @precondition(lambda self: not self.device_asleep)
    @rule()
    def device_pops(self) -> None:
        chain = self.queue.pop()
        if chain is not None:
            self.held.append(chain)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def device_answers(self, data: st.DataObject) -> None:
        chain = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        answer(self.queue, chain)
        self.untold = True

    @rule()
    def device_tells(self) -> None:
        self.untold = False
        if self.queue.should_notify():
            self.driver_asleep = False

    @precondition(lambda self: not self.device_asleep)
    @rule()
    def device_suppresses_kicks(self) -> None:
        self.queue.suppress_kicks()

    @precondition(lambda self: not self.device_asleep)
    @rule()
    def device_goes_to_sleep(self) -> None:
        self.device_asleep = not self.queue.enable_kicks()

    @precondition(lambda self: not self.driver_asleep)
    @rule()
    def driver_reaps(self) -> None:
        self.driver.set_wish(self.driver.used - 1, interrupts=False)
        self.answered += self.driver.reap()

    @precondition(lambda self: not self.driver_asleep)
    @rule()
    def driver_goes_to_sleep(self) -> None:
        self.answered += self.driver.reap()
        self.driver.set_wish(self.driver.used)
        self.driver_asleep = True

    @invariant()
    def no_wakeup_is_lost(self) -> None:
        if not self.sent:
            return
        if self.device_asleep:
            assert self.driver.available == self.queue.next_available
        if self.driver_asleep and not self.untold:
            assert self.driver.used == self.queue.next_used

    @invariant()
    def every_request_is_somewhere(self) -> None:
        if self.sent:
            assert len(self.driver.waiting) == self.sent - self.answered
            assert self.queue.in_flight == len(self.held)

    def teardown(self) -> None:
        if self.sent:
            while (chain := self.queue.pop()) is not None:
                self.held.append(chain)
            while self.held:
                answer(self.queue, self.held.pop())
            assert self.answered + self.driver.reap() == self.sent
            assert self.driver.waiting == {}
        self.memory.close()
        self.handle.close()


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=150, stateful_step_count=60)


entries = st.builds(
    layout.DESCRIPTOR.pack,
    st.sampled_from([TABLE, AVAIL, USED, INDIRECT, BUFFERS, 0xFFF8, END]) | st.integers(0, (1 << 64) - 1),
    st.integers(0, 64) | st.integers(0, 0xFFFF_FFFF),
    st.integers(0, 7),
    st.integers(0, 9),
)
nearly_right = st.builds(
    layout.DESCRIPTOR.pack,
    st.sampled_from([BUFFERS, BUFFERS + 64, INDIRECT]),
    st.sampled_from([16, 16, 32, 48, 64]),
    st.sampled_from([1, 1, 1, 3, 0, 2, 4]),
    st.integers(0, 7),
)
words = (st.integers(0, 9) | st.integers(0, WRAP)).map(lambda word: word.to_bytes(2, "little"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(
    table=st.lists(entries, min_size=8, max_size=8).map(b"".join),
    indirect=st.lists(entries, max_size=8).map(b"".join),
    avail=st.lists(words, min_size=1, max_size=12).map(b"".join),
    features=st.sampled_from(ANY),
)
def test_hostile_rings_raise_nothing_but_queue_faults(
    memory: GuestMemory, table: bytes, indirect: bytes, avail: bytes, features: int
) -> None:
    memory.write(TABLE, table)
    memory.write(INDIRECT, indirect)
    memory.write(AVAIL + 2, avail)
    memory.write(USED, bytes(4))
    serve_hostile(SplitQueue(memory, QueueConfig(8, TABLE, AVAIL, USED), features=features))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=500)
@given(
    table=st.lists(nearly_right, min_size=8, max_size=8).map(b"".join),
    indirect=st.lists(nearly_right, min_size=4, max_size=4).map(b"".join),
    heads=st.lists(st.integers(0, 8), min_size=1, max_size=9),
    features=st.sampled_from(ANY),
)
def test_what_the_specification_forbids_is_refused_and_nothing_else(
    memory: GuestMemory, table: bytes, indirect: bytes, heads: list[int], features: int
) -> None:
    memory.write(TABLE, table)
    memory.write(INDIRECT, indirect)
    memory.write(AVAIL + 2, b"".join(word.to_bytes(2, "little") for word in (len(heads), *heads[:8])))
    memory.write(USED, bytes(4))
    take_all(memory, SplitQueue(memory, QueueConfig(8, TABLE, AVAIL, USED), features=features), features)


def take_all(memory: GuestMemory, queue: SplitQueue, features: int) -> None:
    """Pop without using: what is refused is what the specification forbids, and nothing else."""
    heads: list[int] = []
    index = memory.load(AVAIL + 2, 2)
    for position in range(min(index, 9)):
        head = memory.load(AVAIL + 4 + 2 * (position % 8), 2)
        forbidden = index > 8 or head in heads or is_forbidden(memory, head, features)
        try:
            chain = queue.pop()
        except QueueFault:
            assert forbidden
            return
        assert chain is not None
        assert not forbidden
        heads.append(head)
    assert queue.pop() is None


def is_forbidden(memory: GuestMemory, head: int, features: int) -> bool:
    """Whether the chain is malformed: written from the specification (2.7.5), not from the walker."""
    table, count, index, left = TABLE, 8, head, 8
    inside, has_written = False, False
    while left and index < count:
        left -= 1
        address, length, flags, index = layout.DESCRIPTOR.unpack(memory.read(table + 16 * index, 16))
        if not 0 < length <= address + length <= END:
            return True
        if flags & layout.DESC_F_INDIRECT:
            follows = flags & layout.DESC_F_NEXT
            if inside or follows or length % 16 or not features & RingFeature.INDIRECT_DESC:
                return True
            table, count, index, left, inside = address, length // 16, 0, min(1024, length // 16), True
            continue
        if has_written and not flags & layout.DESC_F_WRITE:
            return True
        has_written = bool(flags & layout.DESC_F_WRITE)
        if not flags & layout.DESC_F_NEXT:
            return False
    return True


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    noise=st.binary(min_size=1, max_size=300),
    places=st.tuples(*[st.integers(0, END // 16).map(lambda unit: unit * 16)] * 3),
    size=st.sampled_from([1, 2, 8, 256]),
    features=st.sampled_from(ANY),
)
def test_queues_made_of_noise_raise_nothing_but_queue_faults(
    memory: GuestMemory, noise: bytes, places: tuple[int, int, int], size: int, features: int
) -> None:
    memory.write(0, (noise * (END // len(noise) + 1))[:END])
    try:
        queue = SplitQueue(memory, QueueConfig(size, *places), features=features)
    except QueueFault:
        return
    serve_hostile(queue)


def serve_hostile(queue: SplitQueue) -> None:
    """Serve a queue whose buffers may well be the rings themselves, for a while."""
    try:
        for _ in range(64):
            chain = queue.pop()
            if chain is None:
                break
            queue.add_used(chain, chain.write(chain.read(4096)))
            queue.should_notify()
    except QueueFault:
        pass
    queue.suppress_kicks()
    queue.enable_kicks()
