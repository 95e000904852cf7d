"""The virtio-gpu device: commands in, pictures to the display, responses out (virtio 1.3, 5.7).

    queue -> request (copied once) -> handler -> response -> queue
                                        |            ^
                                     display ---- fence signals

Handlers (`virtio.gpu.commands`) raise `CommandFault`, and `GpuDevice` alone turns a fault into a
response. A command that takes long is carried out in steps, over several turns; until it is
answered, its queue waits. What a driver makes lives in a `Session`, which a reset drops whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from virtio.account import Account
from virtio.errors import Misuse
from virtio.fence import Fence
from virtio.gpu.commands import CONTROL, CURSOR, UNKNOWN, Answer, Entry
from virtio.gpu.config import ConfigSpace
from virtio.gpu.display import Display
from virtio.gpu.errors import CommandFault, unspecified
from virtio.gpu.host_visible import HostVisibleRegion
from virtio.gpu.limits import Ledger
from virtio.gpu.parking import Parked, Timelines
from virtio.gpu.request import PLAIN, check, echo, timeline
from virtio.gpu.scanout import Scanout
from virtio.gpu.session import Session
from virtio.gpu.statistics import Statistics
from virtio.gpu.tap import Tap
from virtio.gpu.wire import (
    CONTROL_QUEUE,
    CURSOR_QUEUE,
    DEVICE_ID,
    HEADER_SIZE,
    MAX_SCANOUTS,
    Command,
    Event,
    Feature,
    Flag,
    Header,
    MemEntry,
    ResourceCreateBlob,
    pack,
    sizeof,
    unpack,
)
from virtio.memory import GuestMemory
from virtio.ring.chain import Chain
from virtio.ring.split import SplitQueue
from virtio.turn import COMMAND, ENDLESS, STEP, Steps, Turn, finish

_TABLES: Mapping[int, Mapping[int, Entry]] = {CONTROL_QUEUE: CONTROL, CURSOR_QUEUE: CURSOR}
_FEATURES = 1 << Feature.EDID | 1 << Feature.RESOURCE_UUID | 1 << Feature.RESOURCE_BLOB

_KEEP_LATE = frozenset((Command.SET_SCANOUT, Command.RESOURCE_FLUSH))
"""What Linux sends between a transfer and the flush that shows it, and that flush (virtgpu_plane.c)."""


class _Long(NamedTuple):
    """A command that is being carried out."""

    session: Session
    header: Header
    queue: SplitQueue
    chain: Chain
    steps: Steps[Answer]


def _no_notify(_queue: int) -> None:
    """Before a transport listens."""


def _no_config_change() -> None:
    """Before a transport listens."""


def _no_fault(_message: str) -> None:
    """Not every host listens."""


def _raise(error: Exception) -> NoReturn:
    raise error


class GpuDevice:
    """A virtio-gpu device without 3D; implements `virtio.device.Device`.

    Args:
        display: The owner of the screens; its number of modes is the number of scanouts.
        ledger: What the guest uses of the host, and may use, in all its lives; None: what is usual.
        host_memory: Offer blobs of host memory (HOST3D, MAP_BLOB) to a guest in this process, which
            finds them in `host_visible`.

    Attributes:
        last_command: The name of the last command.
        last_fault: Why the last refused command was refused.
        on_fault: Called with every such reason.
        on_failure: Called with what goes wrong when a fence of the display's signals, outside of `process`.
        tap: Hears of everything that the driver does.
        host_visible: The window onto host blobs; None without `host_memory`, and before `activate`.
        blocking: While the display works on a flush, take no further command from the control queue. QEMU
            does so (its `renderer_blocked`): one slow screen then holds up all scanouts.

    Raises:
        Misuse: The display has no modes, or more than 16.
    """

    device_id = DEVICE_ID
    queue_count = 2
    features = _FEATURES

    def __init__(self, display: Display, *, ledger: Ledger | None = None, host_memory: bool = False) -> None:
        self._display = display
        self._ledger = ledger or Ledger()
        self.account: Account = self._ledger
        self._host_memory = host_memory
        self._scanout_count = len(display.modes())
        if not 1 <= self._scanout_count <= MAX_SCANOUTS:
            raise Misuse(
                f"a display with {self._scanout_count} modes: a device has 1 to {MAX_SCANOUTS} scanouts"
            )
        self._config = ConfigSpace(self._scanout_count)
        self._statistics = Statistics()
        self._timelines = Timelines(self._notify, self._fail, self._ledger.fences)
        self._session: Session | None = None
        self._serving: int | None = None
        self._awaited: Sequence[Fence] = ()  # by the control queue, when `blocking`
        self._long: _Long | None = None  # of the control queue
        self._late: Parked | None = None  # the answer to a transfer that was deferred
        self.blocking = False
        self._longest_request = (
            HEADER_SIZE + sizeof(ResourceCreateBlob) + self._ledger.limits.entries * sizeof(MemEntry)
        )
        self.notify: Callable[[int], None] = _no_notify
        self.resume: Callable[[int], None] = _no_notify
        self.config_changed: Callable[[], None] = _no_config_change
        self.on_fault: Callable[[str], None] = _no_fault
        self.on_failure: Callable[[Exception], None] = _raise
        self.last_fault: str | None = None
        self.last_command: str | None = None
        self.tap: Tap | None = None

    def __repr__(self) -> str:
        last = self.last_command or "none"
        return (
            f"<gpu device, {self._statistics.commands.total()} commands, the last {last}, {self.parked} wait>"
        )

    @property
    def commands(self) -> Counter[str]:
        """How often each command came, by name, over the device's life."""
        return self._statistics.commands

    @property
    def errors(self) -> Counter[str]:
        """How often each error was answered, by name, over the device's life."""
        return self._statistics.errors

    @property
    def transfer_bytes(self) -> int:
        """Pixels copied from guest memory, bytes, over the device's life: 0 for blobs that can be mapped."""
        return self._statistics.transfer_bytes

    @property
    def cursor_bytes(self) -> int:
        """Pixels copied for cursor pictures, bytes, over the device's life."""
        return self._statistics.cursor_bytes

    @property
    def host_memory_bytes(self) -> int:
        """Host memory that the driver's resources hold now."""
        return 0 if self._session is None else self._session.ledger.host_memory.used

    @property
    def mappings(self) -> int:
        """Kernel mappings that the driver's backings hold now."""
        return 0 if self._session is None else self._session.ledger.mappings.used

    @property
    def parked(self) -> int:
        """Responses that wait for the display."""
        return len(self._timelines)

    @property
    def scanouts(self) -> Sequence[Scanout]:
        """What each scanout shows; empty before `activate`."""
        return () if self._session is None else self._session.scanouts.states

    @property
    def host_visible(self) -> HostVisibleRegion | None:
        """The window onto host blobs, as the guest sees it."""
        return None if self._session is None else self._session.host_visible

    def host_blob(self, resource_id: int) -> NDArray[np.uint8] | None:
        """See `Session.host_blob`; None before `activate`."""
        return None if self._session is None else self._session.host_blob(resource_id)

    def read_config(self, offset: int, length: int) -> bytes:
        """Bytes of the config space; zeros beyond its end."""
        return self._config.read(offset, length)

    def write_config(self, offset: int, data: bytes) -> None:
        """A driver's write to the config space."""
        self._config.write(offset, data)

    def display_changed(self) -> None:
        """The display's modes changed: make the driver ask for them again."""
        self._config.raise_event(Event.DISPLAY)
        self.config_changed()

    def activate(self, features: int, memory: GuestMemory) -> None:
        """The driver is there; or, when it was, its memory table has changed."""
        if self._session is not None:
            self._session.features, self._session.memory = features, memory
            return
        window = HostVisibleRegion(self._ledger.limits.host_memory) if self._host_memory else None
        self._session = Session(
            features, memory, self._display, self._ledger, self._statistics, self._scanout_count, window
        )
        if self.tap is not None:
            self.tap.activated(self._session)

    def reset(self) -> None:
        """Forget everything that the driver made. Parked responses are dropped, not answered."""
        self._timelines.clear()
        self._awaited = ()
        long, self._long = self._long, None
        if long is not None:
            long.steps.close()
        self._config.clear_events()
        if self._session is not None:
            if self.tap is not None:
                self.tap.reset()
            session, self._session = self._session, None
            session.close()

    def process(self, index: int, queue: SplitQueue, turn: Turn = ENDLESS) -> bool:
        """Serve the available buffers of a queue: all of them, or until the turn is over.

        However short the turn is, one command is carried out, or one step of a long one.

        Returns:
            Whether the driver wants a notification now.

        Raises:
            QueueFault: The ring is broken.
            Misuse: The device is not active, or has no such queue.
        """
        session = self._session
        if session is None or index not in _TABLES:
            raise Misuse(f"queue {index} is served, but the device is not active or has no such queue")
        self._serving = index
        try:
            queue.suppress_kicks()
            while True:
                if self._long is not None and index == CONTROL_QUEUE:
                    done = STEP
                    self._step(self._long)
                elif not self._is_blocked(index) and (chain := queue.pop()) is not None:
                    done = COMMAND
                    self._serve(session, index, queue, chain)
                elif not self._is_blocked(index) and queue.enable_kicks():
                    done = 0  # buffers came before the driver knew that it has to kick
                else:
                    break
                if turn.over(done):
                    break
        finally:
            self._finish_transfer(session)
            self._serving = None
        if self._is_full():
            self._wait_for_room()
        return queue.should_notify()

    def _is_blocked(self, index: int) -> bool:
        awaits = index == CONTROL_QUEUE and any(not fence.signaled for fence in self._awaited)
        return awaits or self._is_full()

    def _is_full(self) -> bool:
        """Whether no further answer can be made to wait for the display, and so no command be taken."""
        return not self._ledger.fences.has(1)

    def _wait_for_room(self) -> None:
        fences = self._ledger.fences
        self._ledger.reached("fences", "commands wait until an answer is given", fences)
        fences.call_when_given(self._has_room)

    def _has_room(self) -> None:
        for index in _TABLES:
            self.resume(index)

    def _block(self, fences: Sequence[Fence]) -> None:
        """Leave what follows in the control queue until all of these have signalled."""
        self._awaited = [fence for fence in fences if not fence.signaled]
        for fence in self._awaited:
            fence.add_callback(self._unblock)

    def _unblock(self, _fence: Fence) -> None:
        if not self._is_blocked(CONTROL_QUEUE):
            self.resume(CONTROL_QUEUE)

    def _serve(self, session: Session, index: int, queue: SplitQueue, chain: Chain) -> None:
        """Carry out one command, or begin to."""
        request = chain.read(self._longest_request)
        if self.tap is not None:
            self.tap.received(index, request, chain)
        if len(request) < HEADER_SIZE:
            header = Header(0)
            outcome: Answer | Steps[Answer] = self._refuse(
                unspecified(f"{len(request)} bytes hold no header"), UNKNOWN.name
            )
        else:
            header = unpack(Header, request)
            outcome = self._carry_out(session, index, header, request, chain.readable_size)
        if isinstance(outcome, Answer):
            self._answer(session, index, queue, chain, header, outcome)
        else:
            self._step(_Long(session, header, queue, chain, outcome))

    def _step(self, long: _Long) -> None:
        """Go on with a long command, and answer it if that was the last step."""
        self._long = None  # a reset from within a step cannot end it
        try:
            next(long.steps)
        except StopIteration as end:
            answer: Answer = end.value
        except CommandFault as fault:
            answer = self._refuse(fault, CONTROL[long.header.type].name)
        else:
            self._go_on_later(long)
            return
        self._answer(long.session, CONTROL_QUEUE, long.queue, long.chain, long.header, answer)

    def _go_on_later(self, long: _Long) -> None:
        if self._session is long.session:
            self._long = long
        else:
            long.steps.close()

    def _answer(
        self, session: Session, index: int, queue: SplitQueue, chain: Chain, header: Header, answer: Answer
    ) -> None:
        """Answer a command, or park the answer."""
        tap = self.tap
        if not header.flags & Flag.FENCE:
            response = PLAIN[answer.response] + answer.body
            if tap is not None:
                tap.answered(response)
            if session.late is not None and self._late is None:
                self._late = Parked(index, queue, chain, response)
            else:
                queue.add_used(chain, chain.write(response))
        else:
            response = pack(echo(header, answer.response)) + answer.body
            if tap is not None:
                tap.answered(response)
            key = timeline(header)
            if self._timelines.must_wait(key, answer.fences):
                self._timelines.park(key, Parked(index, queue, chain, response), answer.fences)
            else:
                queue.add_used(chain, chain.write(response))
        if self.blocking and answer.fences:
            self._block(answer.fences)  # behind the parked response: first the answer, then more commands

    def _carry_out(
        self, session: Session, index: int, header: Header, request: bytes, size: int
    ) -> Answer | Steps[Answer]:
        """Execute a request; a transfer that waits for a reader waits for the next flush at most."""
        kind = header.type
        if self._late is not None and kind not in _KEEP_LATE:
            self._finish_transfer(session)
        # A tap reads the image itself, and a fence would have to wait: neither is worth a second way.
        session.defers = self.tap is None and not header.flags & Flag.FENCE
        outcome = self.execute(session, _TABLES[index], header, request, size)
        if self._late is not None and kind == Command.RESOURCE_FLUSH:
            self._finish_transfer(session)
        return outcome

    def _finish_transfer(self, session: Session) -> None:
        """Carry out what is left of a transfer that waited for a reader, and answer it."""
        late, self._late = self._late, None
        if late is not None:
            session.finish_transfer()
            late.answer()

    def execute(
        self, session: Session, table: Mapping[int, Entry], header: Header, request: bytes, size: int
    ) -> Answer | Steps[Answer]:
        """Decode and carry out a request, or say in which steps to; a fault becomes a response."""
        entry = table.get(header.type, UNKNOWN)
        self._statistics.commands[entry.name] += 1
        self.last_command = entry.name
        try:
            check(entry, header, request, size)
            outcome = entry.handler(session, entry.layout.unpack(request, HEADER_SIZE), request)
            # A tap is told of one command after the other.
            return outcome if self.tap is None or isinstance(outcome, Answer) else finish(outcome)
        except CommandFault as fault:
            return self._refuse(fault, entry.name)

    def _refuse(self, fault: CommandFault, command: str) -> Answer:
        self._statistics.errors[fault.response.name] += 1
        self.last_fault = f"{command}: {fault}"
        self.on_fault(self.last_fault)
        return Answer(fault.response)

    def _fail(self, error: Exception) -> None:
        self.on_failure(error)

    def _notify(self, parked: Parked) -> None:
        """A parked response was given, at any time: also while either queue is being served."""
        if self._serving != parked.index and parked.queue.should_notify():
            self.notify(parked.index)
