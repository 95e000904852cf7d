from collections.abc import Callable, Iterator

import pytest

from virtio.account import Account
from virtio.clock import Calendar
from virtio.errors import Misuse, QueueFault
from virtio.features import SPLIT_RING, RingFeature
from virtio.inproc import InProcessTransport
from virtio.memory import GuestMemory, Region, SharedHandle
from virtio.ring import QueueConfig, SplitQueue
from virtio.ring.layout import DESCRIPTOR
from virtio.status import DeviceStatus as S
from virtio.turn import ENDLESS, Turn

READY = S.ACKNOWLEDGE | S.DRIVER | S.FEATURES_OK
LIVE = READY | S.DRIVER_OK
CONFIG = QueueConfig(8, 0x1000, 0x2000, 0x3000)
USED_EVENT = CONFIG.available_ring + 4 + 2 * CONFIG.size


class EchoDevice:
    """Uses every buffer at once; remembers what happened to it."""

    device_id = 42
    queue_count = 2
    features = 1 << 5

    def __init__(self) -> None:
        self.account = Account()
        self.notify: Callable[[int], None] = lambda index: None
        self.resume: Callable[[int], None] = lambda index: None
        self.config_changed: Callable[[], None] = lambda: None
        self.log: list[str] = []
        self.config = bytearray(8)
        self.while_processing: Callable[[], None] = lambda: None

    def read_config(self, offset: int, length: int) -> bytes:
        return bytes(self.config[offset : offset + length])

    def write_config(self, offset: int, data: bytes) -> None:
        self.config[offset : offset + len(data)] = data

    def activate(self, features: int, memory: GuestMemory) -> None:
        self.log.append(f"activate {features:#x}")

    def process(self, index: int, queue: SplitQueue, turn: Turn = ENDLESS) -> bool:
        self.log.append(f"process {index}")
        self.while_processing()
        while chain := queue.pop():
            queue.add_used(chain, 0)
        queue.enable_kicks()
        return queue.should_notify()

    def reset(self) -> None:
        self.log.append("reset")


class Bus:
    """A transport with its device, and a driver's view of one queue."""

    def __init__(self, memory: GuestMemory) -> None:
        self.memory, self.device, self.calendar = memory, EchoDevice(), Calendar()
        self.transport = InProcessTransport(self.device, memory, self.calendar)
        self.faults: list[str] = []
        self.interrupts: list[int] = []
        self.config_changes: list[int] = []
        self.transport.on_fault = self.faults.append
        self.transport.on_interrupt = self.interrupts.append
        self.transport.on_config_change = lambda: self.config_changes.append(self.transport.status)
        self._published = 0

    def negotiate(self, features: int = int(SPLIT_RING)) -> None:
        for status in (S.ACKNOWLEDGE, S.ACKNOWLEDGE | S.DRIVER):
            self.transport.set_status(status)
        self.transport.accept_features(features)
        self.transport.set_status(READY)

    def go_live(self) -> None:
        self.negotiate()
        self.transport.set_queue(0, CONFIG)
        self.transport.set_status(LIVE)
        self.device.log.clear()

    def run(self) -> None:
        """Let everything happen that is due; no time passes."""
        while self.calendar.run_next():
            assert self.calendar.now_ns() == 0

    def publish(self, length: int = 4) -> None:
        self.memory.write(CONFIG.descriptor_table, DESCRIPTOR.pack(0x4000, length, 0, 0))
        self._published += 1
        self.memory.store(CONFIG.available_ring + 2, 2, self._published)
        self.memory.store(USED_EVENT, 2, self._published - 1)


@pytest.fixture
def bus() -> Iterator[Bus]:
    with (
        SharedHandle.create(0x10000) as handle,
        GuestMemory([Region(0, 0x10000, handle)]) as memory,
    ):
        bus = Bus(memory)
        with bus.transport:
            yield bus


def test_a_driver_comes_up_by_the_book(bus: Bus) -> None:
    assert bus.transport.device_features == SPLIT_RING | 1 << 5
    bus.negotiate(int(RingFeature.VERSION_1) | 1 << 5)
    assert bus.device.log == []
    bus.transport.set_status(LIVE)
    assert bus.transport.status == LIVE
    assert bus.device.log == ["activate 0x100000020"]


def test_a_kick_serves_the_queue_and_interrupts_from_the_clock(bus: Bus) -> None:
    bus.go_live()
    bus.publish()
    bus.transport.kick(0)
    assert bus.device.log == []
    bus.run()
    assert bus.device.log == ["process 0"]
    assert bus.interrupts == [0]


def test_kicks_and_interrupts_come_behind_what_is_due_and_before_time_passes(bus: Bus) -> None:
    bus.go_live()
    order: list[str] = []
    bus.calendar.call_at(0, lambda: order.append("due already"))
    bus.transport.on_interrupt = lambda index: order.append(f"interrupt {index}")
    bus.device.notify(0)
    bus.calendar.call_at(1, lambda: order.append("later"))
    while bus.calendar.run_next():
        pass
    assert order == ["due already", "interrupt 0", "later"]


def test_without_a_clock_all_waits_for_the_driver_to_poll(bus: Bus) -> None:
    bus.transport = InProcessTransport(bus.device, bus.memory)
    bus.transport.on_interrupt = bus.interrupts.append
    bus.go_live()
    bus.publish()
    bus.transport.kick(0)
    assert bus.device.log == []
    bus.transport.poll()
    assert (bus.device.log, bus.interrupts) == (["process 0"], [0])


def test_a_driver_that_polls_is_not_interrupted_again(bus: Bus) -> None:
    bus.go_live()
    bus.publish()
    bus.transport.kick(0)
    bus.transport.poll()
    assert bus.interrupts == [0]
    bus.run()
    assert bus.interrupts == [0]


def test_an_interrupt_is_one_however_often_it_is_raised(bus: Bus) -> None:
    bus.go_live()
    for _ in range(3):
        bus.device.notify(0)
        bus.device.config_changed()
        bus.device.notify(1)
    bus.run()
    assert (bus.interrupts, len(bus.config_changes)) == ([0, 1], 1)


def test_an_interrupt_that_the_driver_suppressed_is_not_made(bus: Bus) -> None:
    bus.go_live()
    bus.publish()
    bus.memory.store(USED_EVENT, 2, 7)  # far ahead
    bus.transport.kick(0)
    bus.run()
    assert bus.interrupts == []


def test_kicks_before_driver_ok_and_of_queues_not_set_up_do_nothing(bus: Bus) -> None:
    bus.negotiate()
    bus.transport.kick(0)
    bus.run()
    bus.transport.set_status(LIVE)
    bus.transport.kick(1)
    bus.run()
    assert bus.device.log == ["activate 0x130000000"]


def test_features_that_were_not_offered_are_refused_by_the_status(bus: Bus) -> None:
    bus.negotiate(int(SPLIT_RING) | 1 << 9)
    assert bus.transport.status == S.ACKNOWLEDGE | S.DRIVER
    assert bus.faults == ["the driver accepted features that were not offered: bit 9"]


def test_a_status_out_of_order_is_ignored(bus: Bus) -> None:
    bus.transport.set_status(S.DRIVER_OK)
    assert bus.transport.status == 0
    assert len(bus.faults) == 1


def test_the_same_status_again_activates_once(bus: Bus) -> None:
    bus.go_live()
    bus.transport.set_status(LIVE)
    assert bus.device.log == []


def test_a_broken_ring_needs_a_reset_and_gets_one(bus: Bus) -> None:
    bus.go_live()
    bus.publish(length=0)
    bus.transport.kick(0)
    bus.run()
    assert bus.transport.status == LIVE | S.NEEDS_RESET
    assert bus.config_changes == [LIVE | S.NEEDS_RESET]
    assert "has no bytes" in bus.faults[0]
    bus.device.log.clear()
    bus.transport.kick(0)
    bus.run()
    assert bus.device.log == []
    bus.transport.set_status(0)
    assert (bus.transport.status, bus.device.log) == (0, ["reset"])
    bus.memory.write(0, bytes(0x8000))
    bus._published = 0
    bus.go_live()
    bus.publish()
    bus.transport.kick(0)
    bus.run()
    assert bus.interrupts == [0]


def test_rings_outside_memory_need_a_reset_at_once(bus: Bus) -> None:
    bus.negotiate()
    bus.transport.set_queue(0, QueueConfig(8, 0x1000, 0x2000, 0x10_0000))
    bus.transport.set_status(LIVE)
    bus.run()
    assert bus.transport.status & S.NEEDS_RESET
    assert len(bus.config_changes) == 1


def test_a_queue_that_the_device_does_not_have_is_our_mistake(bus: Bus) -> None:
    with pytest.raises(Misuse, match="none with index 2"):
        bus.transport.set_queue(2, CONFIG)


def test_config_space_reaches_the_device_and_its_changes_the_driver(bus: Bus) -> None:
    bus.transport.write_config(4, b"\x07")
    assert bus.transport.read_config(4, 2) == b"\x07\0"
    bus.device.config_changed()
    bus.run()
    assert bus.config_changes == [0]


def test_neither_side_runs_inside_the_other(bus: Bus) -> None:
    bus.go_live()
    bus.publish()
    order: list[str] = []

    def interrupted(index: int) -> None:
        order.append("driver in")
        if len(bus.device.log) < 3:
            bus.publish()
            bus.transport.kick(index)
            bus.transport.poll()  # of no effect inside of an interrupt
        order.append("driver out")

    def process() -> None:
        order.append("device in")
        bus.transport.kick(0)
        bus.transport.poll()
        bus.device.while_processing = lambda: order.append("device")
        order.append("device out")

    bus.transport.on_interrupt = interrupted
    bus.device.while_processing = process
    bus.transport.kick(0)
    bus.run()
    assert bus.device.log == ["process 0"] * 3
    assert order[:4] == ["device in", "device out", "device", "driver in"]
    assert order[4:] == ["driver out", "device", "driver in", "driver out"]


def test_a_queue_that_the_device_would_go_on_with_is_as_good_as_kicked(bus: Bus) -> None:
    bus.go_live()
    bus.device.resume(0)
    assert bus.device.log == []
    bus.run()
    assert bus.device.log == ["process 0"]


def test_a_reset_forgets_what_was_to_be_said(bus: Bus) -> None:
    bus.go_live()
    bus.publish()
    bus.device.notify(0)
    bus.transport.kick(0)
    bus.transport.set_status(0)
    bus.run()
    assert (bus.interrupts, bus.device.log) == ([], ["reset"])


def test_a_reset_in_the_middle_of_a_queue_forgets_its_interrupt(bus: Bus) -> None:
    bus.go_live()
    bus.publish()

    def process() -> None:
        bus.device.notify(1)
        bus.transport.set_status(0)

    bus.device.while_processing = process
    bus.transport.kick(0)
    bus.run()
    assert bus.interrupts == []


def test_an_error_in_a_handler_reaches_the_clock_and_the_bus_lives_on(bus: Bus) -> None:
    bus.go_live()
    bus.publish()

    def fail(index: int) -> None:
        bus.transport.on_interrupt = bus.interrupts.append
        bus.device.notify(1)
        raise RuntimeError("a driver's bug")

    bus.transport.on_interrupt = fail
    bus.transport.kick(0)
    with pytest.raises(RuntimeError, match="a driver's bug"):
        bus.run()
    bus.run()
    assert bus.interrupts == [1]
    bus.publish()
    bus.transport.kick(0)
    bus.run()
    assert bus.interrupts == [1, 0]


def test_close_resets_and_lets_the_device_go(bus: Bus) -> None:
    bus.go_live()
    bus.device.notify(0)
    bus.transport.close()
    bus.transport.close()
    bus.device.notify(0)
    bus.device.config_changed()
    assert bus.calendar.next_ns() is None
    assert bus.interrupts == []
    assert bus.config_changes == []
    assert bus.device.log == ["reset", "reset"]


def test_a_queue_fault_is_no_exception_to_the_driver(bus: Bus) -> None:
    def fail() -> None:
        raise QueueFault("made up")

    bus.go_live()
    bus.device.while_processing = fail
    bus.transport.kick(0)
    bus.run()
    assert bus.faults == ["made up"]
