"""A driver's session with a virtio-gpu device: taking it over, commands out, answers and fences in.

Sans-IO: methods put commands into the queues and `notify` tells the device; answers arrive through the
transport's interrupt, and reach the caller by callbacks and fences.

Errors of commands do what they do in Linux: they are counted, and life goes on. A device that needs a
reset is `lost`; opening it again starts from nothing.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import Any

from guest.driver.requests import Answer, Done, RequestQueue
from guest.driver.transport import Transport, negotiate, start
from guest.memory import GuestRam
from virtio.errors import Misuse
from virtio.features import SPLIT_RING
from virtio.fence import Fence, Timeline
from virtio.gpu import wire
from virtio.gpu.wire import Command, Feature, Flag, Header, Response
from virtio.status import DeviceStatus

CONTROL_SIZE, CURSOR_SIZE = 64, 16  # ring entries, as QEMU's device has
_WANTED = SPLIT_RING | 1 << Feature.EDID | 1 << Feature.RESOURCE_UUID | 1 << Feature.RESOURCE_BLOB

_ANSWER_SIZES = {
    Command.GET_DISPLAY_INFO: wire.HEADER_SIZE + wire.sizeof(wire.RespDisplayInfo),
    Command.GET_EDID: wire.HEADER_SIZE + wire.sizeof(wire.RespEdid),
    Command.RESOURCE_ASSIGN_UUID: wire.HEADER_SIZE + wire.sizeof(wire.RespResourceUuid),
}
# Tuples: an enumeration's members are slow to hash, and these are looked at for every command.
_CURSOR_COMMANDS = (Command.UPDATE_CURSOR, Command.MOVE_CURSOR)


class DriverState(Enum):
    """How far the driver is with its device."""

    CLOSED = "closed"
    PROBING = "probing"
    RUNNING = "running"
    LOST = "lost"


_LIVE = (DriverState.PROBING, DriverState.RUNNING)
_ERRORS = {int(response): response.name for response in Response if response >= Response.ERR_UNSPEC}


class GpuSession:
    """One virtio-gpu device, as far as all commands are alike.

    Attributes:
        state: See `DriverState`.
        features: Negotiated feature bits.
        commands: Commands sent, by name.
        errors: Error responses, by name.
        on_lost: Called when the device needs a reset.
        on_config_change: Called when the config space of a running device changed.
    """

    def __init__(self, transport: Transport, ram: GuestRam) -> None:
        self.transport, self.ram = transport, ram
        self.state = DriverState.CLOSED
        self.features = 0
        self.commands: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.on_lost: Callable[[], None] = lambda: None
        self.on_config_change: Callable[[], None] = lambda: None
        self._queues: list[RequestQueue] = []
        self._left: set[int] = set()  # queues that are not ours any more
        self._timelines: dict[int | None, Timeline] = {}  # by ring; None: the device's own
        self._rings: dict[int, int | None] = {}  # of each timeline's context
        self._fences: dict[int, Timeline] = {}  # that are out
        self._last_fence = 0
        transport.on_interrupt = self._interrupted
        transport.on_config_change = self._config_changed

    def open(self) -> None:
        """Reset the device and take it over; nothing of an earlier session is left.

        Raises:
            DeviceFault: The device refuses to be driven.
        """
        self.close()
        self.features = negotiate(self.transport, _WANTED)
        self._queues = [
            RequestQueue(self.ram, CONTROL_SIZE, features=self.features, indirect=True),
            RequestQueue(self.ram, CURSOR_SIZE, features=self.features, indirect=False),
        ]
        self._left.clear()
        self.state = DriverState.PROBING
        start(self.transport, {index: queue.config for index, queue in enumerate(self._queues)})

    def queue(self, index: int) -> RequestQueue:
        """One of the live queues, for callers that need more freedom than `submit` gives.

        Raises:
            Misuse: The device is lost, or not open.
        """
        if self.state not in _LIVE:
            raise Misuse(f"the device is {self.state.value}; open it first")
        return self._queues[index]

    def leave(self, index: int) -> None:
        """Have nothing to do with a live queue any more, until the device is opened again."""
        self._left.add(index)

    def has(self, feature: Feature) -> bool:
        """Whether a feature of the device was negotiated."""
        return bool(self.features >> feature & 1)

    def submit(
        self,
        command: Command,
        body: tuple[Any, ...],
        *,
        extra: bytes = b"",
        fence: Fence | None = None,
        done: Done | None = None,
    ) -> None:
        """Put any command into its queue.

        Args:
            command: Type.
            body: Its structure.
            extra: What follows the structure.
            fence: From `new_fence`: ask for the answer only when the device is done.
            done: Called with the answer, also when it is an error. Cursor commands get none.

        Raises:
            Misuse: The device is lost, or not open.
        """
        queue = self.queue(wire.CURSOR_QUEUE if command in _CURSOR_COMMANDS else wire.CONTROL_QUEUE)
        message = wire.pack(self.header(command, fence)) + wire.pack(body)
        self.commands[command.name] += 1
        if command in _CURSOR_COMMANDS:
            queue.submit(message)
            return
        size = _ANSWER_SIZES.get(command, wire.HEADER_SIZE)
        queue.submit(message, extra=extra, answer_size=size, done=done or _unasked)

    def new_fence(self, ring: int | None = None) -> Fence:
        """A fence for the next fenced command, on the global timeline or on that of a ring."""
        timeline = self._timelines.get(ring)
        if timeline is None:
            timeline = Timeline("virtio-gpu" if ring is None else f"virtio-gpu ring {ring}")
            self._timelines[ring], self._rings[timeline.context] = timeline, ring
        self._last_fence += 1
        self._fences[self._last_fence] = timeline
        return timeline.fence(self._last_fence)

    def notify(self) -> None:
        """Tell the device of everything submitted since the last time, if it wants to hear."""
        for index, queue in enumerate(self._queues if self.state in _LIVE else ()):
            if index not in self._left and queue.should_kick():
                self.transport.kick(index)

    def close(self) -> None:
        """Reset the device and give the queues' memory back; fences that are out end with -ECANCELED."""
        self.state = DriverState.CLOSED
        self.transport.set_status(DeviceStatus.RESET)
        for queue in self._queues:
            queue.close()
        self._queues = []
        self._fences.clear()
        timelines, self._timelines = self._timelines, {}
        self._rings.clear()
        for timeline in timelines.values():
            timeline.close(-errno.ECANCELED)

    def header(self, command: int, fence: Fence | None = None) -> Header:
        """A command's header: with a fence, its number, and the ring that its timeline is of."""
        if fence is None:
            return Header(command)
        ring = self._rings[fence.context]
        if ring is None:
            return Header(command, Flag.FENCE, fence.seqno)
        return Header(command, Flag.FENCE | Flag.INFO_RING_IDX, fence.seqno, 0, ring)

    def _interrupted(self, index: int) -> None:
        if self.state in _LIVE and index not in self._left:
            for answer, done in self._queues[index].reap():
                self._answered(answer, done)
            self.notify()

    def _answered(self, answer: Answer, done: Done) -> None:
        header = answer.header
        if header.type >= Response.ERR_UNSPEC:
            known = header.type in _ERRORS
            self.errors[_ERRORS[header.type] if known else f"{header.type:#06x}"] += 1
        done(answer)
        if header.flags & Flag.FENCE:
            self._fence_done(header.fence_id)

    def _fence_done(self, fence_id: int) -> None:
        """Signal that fence and all before it on its timeline; an unknown id means nothing, as in Linux."""
        timeline = self._fences.get(fence_id)
        if timeline is not None:
            earlier = [seqno for seqno, its in self._fences.items() if its is timeline and seqno <= fence_id]
            for seqno in earlier:
                del self._fences[seqno]
            timeline.signal(fence_id)

    def _config_changed(self) -> None:
        if self.transport.status & DeviceStatus.NEEDS_RESET:
            self.state = DriverState.LOST
            self.on_lost()
        elif self.state is DriverState.RUNNING:
            self.on_config_change()


def _unasked(_answer: Answer) -> None:
    """What becomes of an answer that its sender does not wait for: it is counted like all others."""
