"""Feeds a recording to real devices, and holds what they make of it to what was recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from compositor.attachment import Attachment
from compositor.errors import BadInput
from compositor.frame import Frame
from compositor.presenter import Presenter
from compositor.record.recording import Recording, read_json
from compositor.record.records import Command, Content, Kind, Presented, Record
from compositor.scanout import Placement
from compositor.sync.policy import SyncPolicy
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
        self.guest = ReplayedGuest(self.make_device(), self.name)

    def switch_off(self) -> None:
        """Take its device away."""
        if self.guest is not None:
            self.guest.close()
            self.guest = None

    async def close(self) -> None:
        """See `Attachment.close`."""
        self.switch_off()
        await super().close()


class Player:
    """Replays a recording on a machine's clock, from `start` on.

    Outputs are repainted when the recording says so, and at no other time.

    Args:
        recording: What to replay.
        presenters: Of the machine's outputs, which are the recording's.
        clock: The machine's.
        guests: The machine's; recorded guests are added as they come.
        set_mode: Switches an output to another mode.
        on_end: Called at the end of the recording.

    Attributes:
        differences: What came out otherwise than recorded; one line for each kind, its first case.
    """

    def __init__(
        self,
        recording: Recording,
        presenters: Sequence[Presenter],
        clock: Clock,
        guests: list[Attachment],
        *,
        set_mode: Callable[[int, str], None],
        on_end: Callable[[], None],
    ) -> None:
        self.differences: list[str] = []
        self._recording = recording
        self._records = iter(recording)
        self._presenters, self._clock, self._guests = presenters, clock, guests
        self._set_mode, self._on_end = set_mode, on_end
        self._attached: list[ReplayedAttachment] = []
        self._frame: Frame | None = None
        self._wrong_frames = self._wrong_answers = 0
        self._next: Cancellable | None = None
        for presenter in presenters:
            presenter.listeners.append(self._presented)

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
        except (ScanoutError, BadInput, ValueError, KeyError, TypeError) as error:
            reason = str(error) or type(error).__name__
            at = f"{record.kind.name} at {record.time_ns / 1e9:.6f} s"
            raise BadInput(f"{self._recording.path}: cannot be replayed beyond {at}: {reason}") from error
        self._schedule()

    def _carry_out(self, record: Record) -> None:
        if record.kind is Kind.COMMAND:
            self._command(record)
        elif record.kind is Kind.CONTENT:
            content = Content.decode(record.payload)
            self._driver(record).write(content.resource_id, content.extents, content.data)
        elif record.kind is Kind.FRAME:
            self._repaint(record)
        elif record.kind is Kind.GUEST:
            self._attach(record)
        elif record.kind is Kind.DEVICE:
            self._guest(record).new_device()
        elif record.kind is Kind.SYNC:
            self._guest(record).set_sync(record.payload.decode())
        elif record.kind is Kind.ACTIVATE:
            self._driver(record).activate(int.from_bytes(record.payload, "little"))
        elif record.kind is Kind.RESET:
            self._driver(record).reset()
        elif record.kind is Kind.MODE:
            self._set_mode(record.subject, record.payload.decode())
        elif record.kind is Kind.GONE:
            guest = self._guest(record)
            guest.switch_off()
            guest.display.close()

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
        document = read_json(record)
        places = [Placement(**place) for place in document["places"]]
        guest = ReplayedAttachment(document["name"], document["kind"], self._presenters, places, self._clock)
        self._attached.append(guest)
        self._guests.append(guest)

    def _command(self, record: Record) -> None:
        command = Command.decode(record.payload)
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

    def _repaint(self, record: Record) -> None:
        expected = Presented.decode(record.payload)
        if record.subject >= len(self._presenters):
            raise BadInput(f"there is no output {record.subject}")
        self._frame = None
        presenter = self._presenters[record.subject]
        presenter.repaint()
        frame = self._frame
        if frame is None or self._seen(frame) != expected:
            self._wrong_frames += 1
            if self._wrong_frames == 1:
                name = f"frame {expected.commit_seq} of {presenter.output.name}"
                self.differences.append(f"{name} is another one than recorded")

    def _seen(self, frame: Frame) -> Presented:
        height, width = frame.pixels.shape[:2]
        return Presented(frame.commit_seq, width, height, frame.checksum or 0)
