"""Commands on the run's clock, with this test as the guest's agent; real guests are in `tests/real`."""

import struct
from collections.abc import Callable, Iterator

import pytest

from compositor.errors import BadInput
from compositor.machine.attachment.commands import CommandRoom, Commands, Wake
from guest.linux.agent import AgentLine, Job
from guest.linux.agent.frames import Frame, FrameReader, Kind
from guest.linux.errors import CommandFailed, GuestDied
from virtio.clock import Calendar
from virtio.clock.calendar import NANOSECONDS
from virtio.clock.participant import Participant

Answer = Callable[[Frame], list[Frame]]


class Room(CommandRoom):
    """A guest without anything but commands."""

    name = "uml"


class Rig:
    """A guest on a calendar whose agent answers as a test says.

    Attributes:
        said: What the agent was told, and when.
        answers: The agent.
        rings: When the guest was interrupted.
        death: What the guest died of.
    """

    def __init__(self, *, boots: bool = True) -> None:
        self.calendar = Calendar()
        self.line = AgentLine()
        self.said: list[tuple[int, Kind]] = []
        self.rings: list[int] = []
        self.answers: Answer = lambda _frame: []
        self.death: BaseException | None = None
        self._reader = FrameReader()
        participant = Participant(self.calendar, "uml", resume=lambda *_: None, confine=lambda _: None)
        participant.leave()
        participant.bound_ns = 500  # so far it may have run
        self.room = Room()
        self.room._commands = self.commands = Commands(
            "uml", self.line, self.calendar, self._until, lambda: self.death, Wake(participant, self._ring)
        )
        if boots:
            self._speak([Frame(Kind.READY, 0)])

    def _speak(self, frames: list[Frame]) -> None:
        for frame in frames:
            self.line.guest_end.send(frame.pack())
        self.commands.guest_waits()

    def _ring(self) -> None:
        self.rings.append(self.calendar.now_ns())
        for frame in self._reader.feed(self.line.guest_end.recv(65536)):
            self.said.append((self.calendar.now_ns(), frame.kind))
            self._speak([Frame(Kind.TAKEN, frame.number), *self.answers(frame)])

    async def _until(self, job: Job, _what: str, seconds: float | None) -> bool:
        assert seconds is not None
        end_ns = self.calendar.now_ns() + round(seconds * NANOSECONDS)
        while not job.ended:
            next_ns = self.calendar.next_ns()
            if next_ns is None or next_ns > end_ns:
                self.calendar.advance_to(end_ns)
                break
            self.calendar.run_next()
        return job.ended


@pytest.fixture
def make() -> Iterator[Callable[..., Rig]]:
    rigs: list[Rig] = []

    def make(**options: bool) -> Rig:
        rigs.append(Rig(**options))
        return rigs[-1]

    yield make
    for rig in rigs:
        with rig.commands:
            pass


def exits(frame: Frame) -> list[Frame]:
    return [
        Frame(Kind.OUTPUT, frame.number, b"hello\n"),
        Frame(Kind.EXITED, frame.number, struct.pack("<i", 0)),
    ]


async def test_a_command_is_sent_when_the_guests_time_is_known_and_wakes_it(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.answers = exits
    result = await rig.room.run("program")
    assert (result.stdout, result.status) == ("hello\n", 0)
    assert rig.said == [(500, Kind.RUN)]
    assert rig.rings == [500]


async def test_a_guest_that_does_not_boot_is_named(make: Callable[..., Rig]) -> None:
    rig = make(boots=False)
    with pytest.raises(CommandFailed, match=r"^uml: did not boot to its agent within 120 s$"):
        await rig.room.run("program")


async def test_a_command_whose_time_is_up_is_killed(make: Callable[..., Rig]) -> None:
    rig = make()

    def answer(frame: Frame) -> list[Frame]:
        if frame.kind is Kind.RUN:
            return [Frame(Kind.ERRORS, frame.number, b"patience\n")]
        return [Frame(Kind.EXITED, frame.number, struct.pack("<i", -9))]

    rig.answers = answer
    complaint = r"^uml: program: was not done within 3 s, and was killed; it said last: patience$"
    with pytest.raises(CommandFailed, match=complaint) as caught:
        await rig.room.run("program", within=3)
    assert caught.value.stderr == b"patience\n"
    (_, run), (killed_ns, kill) = rig.said
    assert (run, kill, killed_ns) == (Kind.RUN, Kind.KILL, 3 * NANOSECONDS + 500)


async def test_a_command_that_cannot_be_killed_is_named(make: Callable[..., Rig]) -> None:
    rig = make()
    with pytest.raises(
        CommandFailed, match=r"^uml: program: killed when its time was up, and still there 10 s later$"
    ):
        await rig.room.run("program", within=3)


async def test_what_cannot_be_ended_or_written_is_named(make: Callable[..., Rig]) -> None:
    rig = make()
    rig.answers = lambda frame: [Frame(Kind.FAILED, frame.number, struct.pack("<I", 16) + b"Device busy")]
    with pytest.raises(CommandFailed, match=r"^uml: ending what commands left running: Device busy$"):
        await rig.room.reset()
    with pytest.raises(CommandFailed, match=r"^uml: writing /x: Device busy$"):
        await rig.room.put_file(b"data", "/x")
    rig.answers = lambda _frame: []
    with pytest.raises(CommandFailed, match=r"^uml: writing /x was not done within 120 s$"):
        await rig.room.put_file(b"data", "/x")


async def test_the_death_of_the_guest_is_what_its_command_raises(make: Callable[..., Rig]) -> None:
    rig = make()

    def die(_frame: Frame) -> list[Frame]:
        rig.death = GuestDied("uml panicked: oh", status=-9, console="")
        rig.calendar.call_at(rig.calendar.now_ns(), rig.line.close)
        return []

    rig.answers = die
    with pytest.raises(GuestDied, match="uml panicked: oh"):
        await rig.room.run("program")
    rig.death = None  # a run has heard of it
    for use in (rig.room.run("program"), rig.room.put_file(b"", "/x"), rig.room.reset()):
        with pytest.raises(CommandFailed, match=r"the guest has ended$"):
            await use


async def test_a_guest_without_an_agent_takes_no_commands() -> None:
    with pytest.raises(BadInput, match=r"^uml: takes no commands; attach UmlGuest\(session=True\)"):
        await Room().run("program")
