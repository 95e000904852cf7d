"""Feeds a recording to real devices, and holds what they make of it to what was recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from compositor.adapter.sync_policy import SyncPolicy
from compositor.errors import BadInput
from compositor.frame_clock import Recorded
from compositor.machine.attachment import Attachment
from compositor.machine.outputs import Outputs
from compositor.machine.presenter import Presenter
from compositor.output.frame import Frame
from compositor.output.output import Output
from compositor.record.documents import GuestDocument, MonitorDocument, PlaceDocument, read_document
from compositor.record.recording import Recording, make_output
from compositor.record.records import CommandRecord, ContentRecord, FrameRecord, Kind, Record
from guest.replayed import ReplayedGuest
from virtio.clock import Clock
from virtio.clock.calendar import Cancellable
from virtio.errors import ScanoutError


class ReplayedAttachment(Attachment):
    """A recorded guest: real devices and screens, and a driver that says what the recording says."""

    policies = tuple(SyncPolicy)
    guest: ReplayedGuest | None = None

    def new_device(self) -> None:
        """Replace its device, if it has one, by a fresh one."""
        self.switch_off()
        device = self.make_device()
        self.guest = ReplayedGuest(device, self.name, device.host_blob, self._clock)

    def switch_off(self) -> None:
        """Take its device away."""
        if self.guest is not None:
            self.guest.close()
            self.guest = None

    def take_off(self) -> None:
        """Take it off the screens."""
        self.switch_off()
        self.display.close()

    async def close(self) -> None:
        """See `Attachment.close`."""
        self.switch_off()
        await super().close()


class Switch(Protocol):
    """What changes the outputs of a machine: the machine."""

    def set_mode(self, output: int, mode: str) -> None:
        """See `Machine.set_mode`."""

    def plug(self, output: Output | int, mode: str | None = None) -> int:
        """See `Machine.plug`."""

    def unplug(self, output: int) -> None:
        """See `Machine.unplug`."""


class Player:
    """Replays a recording on a machine's clock, from `start` on.

    Outputs are repainted when the recording says so, and at no other time.

    Args:
        recording: What to replay.
        outputs: The machine's, which are the recording's.
        clock: The machine's.
        guests: The machine's; recorded guests are added as they come.
        switch: Plugs outputs in and out.
        on_end: Called at the end of the recording.

    Attributes:
        differences: What came out otherwise than recorded; one line for each kind, its first case.
    """

    def __init__(
        self,
        recording: Recording,
        outputs: Outputs,
        clock: Clock,
        guests: list[Attachment],
        *,
        switch: Switch,
        on_end: Callable[[], None],
    ) -> None:
        self.differences: list[str] = []
        self._recording = recording
        self._records = iter(recording)
        self._outputs, self._clock, self._guests = outputs, clock, guests
        self._switch, self._on_end = switch, on_end
        self._attached: list[ReplayedAttachment] = []
        self._frame: Frame | None = None
        self._wrong_frames = self._wrong_answers = 0
        self._next: Cancellable | None = None
        self._actions: Mapping[Kind, Callable[[Record], None]] = {
            Kind.COMMAND: self._command,
            Kind.CONTENT: self._write,
            Kind.COMMIT: self._commit,
            Kind.FRAME: self._repaint,
            Kind.GUEST: self._attach,
            Kind.DEVICE: lambda record: self._guest(record).new_device(),
            Kind.SYNC: lambda record: self._guest(record).set_sync(record.payload.decode()),
            Kind.ACTIVATE: lambda record: self._driver(record).activate(
                int.from_bytes(record.payload, "little")
            ),
            Kind.RESET: lambda record: self._driver(record).reset(),
            Kind.MODE: lambda record: self._switch.set_mode(record.subject, record.payload.decode()),
            Kind.PLUG: self._plug,
            Kind.UNPLUG: lambda record: self._switch.unplug(record.subject),
            Kind.PLACE: self._place,
            Kind.GONE: lambda record: self._guest(record).take_off(),
        }
        for output in outputs.all:
            output.listeners.append(self._presented)

    def start(self) -> None:
        """Begin with the clock's next event.

        When the recording turns out to be damaged, or makes no sense, the clock's callbacks raise BadInput.
        """
        self._next = self._clock.call_at(self._clock.now_ns(), self._schedule)

    def close(self) -> None:
        """Stop."""
        if self._next is not None:
            self._next.cancel()
        self._recording.close()

    def _schedule(self) -> None:
        record = next(self._records, None)
        if record is None:
            self._next = None
            self._on_end()
        else:
            self._next = self._clock.call_at(record.time_ns, lambda: self._play(record))

    def _play(self, record: Record) -> None:
        try:
            self._carry_out(record)
        except (ScanoutError, ValueError) as error:
            reason = str(error) or type(error).__name__
            at = f"{record.kind.name} at {record.time_ns / 1e9:.6f} s"
            raise BadInput(f"{self._recording.path}: cannot be replayed beyond {at}: {reason}") from error
        self._schedule()

    def _carry_out(self, record: Record) -> None:
        action = self._actions.get(record.kind)
        if action is not None:
            action(record)

    def _write(self, record: Record) -> None:
        content = ContentRecord.decode(record.payload)
        self._driver(record).write(content.resource_id, content.extents, content.data)

    def _place(self, record: Record) -> None:
        document = read_document(record, PlaceDocument)
        self._guest(record).put(document.scanout, document.place)

    def _plug(self, record: Record) -> None:
        output = make_output(read_document(record, MonitorDocument))
        outputs = self._outputs.all
        if record.subject > len(outputs):
            raise BadInput(f"there is no output {record.subject}, and the next new one is {len(outputs)}")
        if record.subject < len(outputs):
            self._switch.plug(record.subject, str(output.mode))
        else:
            self._switch.plug(output)
            outputs[record.subject].listeners.append(self._presented)

    def _guest(self, record: Record) -> ReplayedAttachment:
        if record.subject >= len(self._attached):
            raise BadInput(f"there is no guest {record.subject}")
        return self._attached[record.subject]

    def _driver(self, record: Record) -> ReplayedGuest:
        guest = self._guest(record).guest
        if guest is None:
            raise BadInput(f"guest {record.subject} has no device")
        return guest

    def _attach(self, record: Record) -> None:
        document = read_document(record, GuestDocument)
        guest = ReplayedAttachment(
            document.name,
            document.kind,
            self._outputs.tree,
            document.places,
            self._clock,
            exact_damage=document.exact_damage,
        )
        self._attached.append(guest)
        self._guests.append(guest)

    def _command(self, record: Record) -> None:
        command = CommandRecord.decode(record.payload)
        expected = command.response[: command.room]

        def answered(response: bytes) -> None:
            if response != expected:
                self._wrong_answers += 1
                if self._wrong_answers == 1:
                    when = f"{record.time_ns / 1e9:.6f} s"
                    self.differences.append(f"the command at {when} got another answer than recorded")

        self._driver(record).send(
            command.queue, command.request, command.size, command.room, command.response, answered
        )

    def _presented(self, frame: Frame) -> None:
        self._frame = frame

    def _presenter(self, record: Record) -> Presenter:
        if record.subject >= len(self._outputs.presenters):
            raise BadInput(f"there is no output {record.subject}")
        return self._outputs.presenters[record.subject]

    def _clock_of(self, record: Record) -> Recorded:
        recorded = self._presenter(record).recorded
        assert recorded is not None, "a replay's outputs repaint when the recording says so"
        return recorded

    def _commit(self, record: Record) -> None:
        self._clock_of(record).commit()

    def _repaint(self, record: Record) -> None:
        expected = FrameRecord.decode(record.payload)
        presenter = self._presenter(record)
        self._frame = None
        self._clock_of(record).show()
        frame = self._frame
        if frame is None or self._seen(frame) != expected:
            self._wrong_frames += 1
            if self._wrong_frames == 1:
                name = f"frame {expected.commit_seq} of {presenter.output.name}"
                self.differences.append(f"{name} is another one than recorded")

    def _seen(self, frame: Frame) -> FrameRecord:
        height, width = frame.pixels.shape[:2]
        return FrameRecord(frame.commit_seq, width, height, frame.checksum or 0)
