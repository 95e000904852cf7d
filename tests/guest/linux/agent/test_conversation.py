import struct

import pytest

from guest.linux.agent.conversation import GONE, Conversation, Job
from guest.linux.agent.frames import Frame, Kind
from virtio.errors import Misuse, ProtocolFault


class Talk:
    """A conversation, with this test as the agent.

    Attributes:
        said: What the host has said, oldest first.
    """

    def __init__(self) -> None:
        self.said: list[Frame] = []
        self.host = Conversation(self.said.append)
        self.answer(Kind.READY, 0)

    def answer(self, kind: Kind, number: int, payload: bytes = b"") -> None:
        self.host.receive(Frame(kind, number, payload).pack())

    def take(self) -> Frame:
        """The next frame of the host's."""
        frame = self.said.pop(0)
        self.answer(Kind.TAKEN, frame.number)
        return frame

    def run(self, limit: int = 100) -> Job:
        job = self.host.run(["program"], {}, limit)
        assert self.take().kind is Kind.RUN
        return job


@pytest.fixture
def talk() -> Talk:
    return Talk()


def exited(status: int) -> bytes:
    return struct.pack("<i", status)


def test_the_agent_greets() -> None:
    host = Conversation(lambda _frame: None)
    assert not host.greeting.ended
    host.receive(Frame(Kind.READY, 0).pack())
    assert host.greeting.ended


def test_a_command_prints_and_ends(talk: Talk) -> None:
    job = talk.run()
    ends: list[int] = []
    job.on_end = lambda: ends.append(job.status)
    talk.answer(Kind.OUTPUT, job.number, b"one ")
    talk.answer(Kind.ERRORS, job.number, b"oh")
    talk.answer(Kind.OUTPUT, job.number, b"two")
    assert not job.ended
    talk.answer(Kind.EXITED, job.number, exited(-11))
    assert (bytes(job.stdout), bytes(job.stderr), ends) == (b"one two", b"oh", [-11])


def test_two_commands_are_told_apart(talk: Talk) -> None:
    one, other = talk.run(), talk.run()
    talk.answer(Kind.OUTPUT, other.number, b"other")
    talk.answer(Kind.EXITED, one.number, exited(1))
    assert (one.ended, one.printed, other.ended, bytes(other.stdout)) == (True, 0, False, b"other")


def test_one_frame_is_on_its_way_at_a_time(talk: Talk) -> None:
    talk.host.run(["one"], {}, 9)
    talk.host.run(["other"], {}, 9)
    assert [b"one" in frame.payload for frame in talk.said] == [True]
    talk.take()
    assert [b"other" in frame.payload for frame in talk.said] == [True]


def test_output_stops_at_its_limit_and_the_command_is_killed_once(talk: Talk) -> None:
    job = talk.run(limit=10)
    talk.answer(Kind.OUTPUT, job.number, b"0123456789")
    assert not job.overflowed
    assert not talk.said
    talk.answer(Kind.ERRORS, job.number, b"x")
    talk.answer(Kind.OUTPUT, job.number, b"y" * 50)
    assert job.overflowed
    assert talk.take() == Frame(Kind.KILL, job.number)
    assert not talk.said
    assert (bytes(job.stdout), bytes(job.stderr)) == (b"0123456789", b"")


def test_what_has_ended_is_not_killed(talk: Talk) -> None:
    job = talk.run()
    talk.answer(Kind.EXITED, job.number, exited(0))
    talk.host.kill(job)
    assert not talk.said


def test_a_file_goes_in_chunks_one_after_the_other(talk: Talk) -> None:
    data = bytes(range(256)) * 20
    job = talk.host.write("/x", data, 0o600)
    got = b""
    while not job.ended:
        frame = talk.take()
        mode, place = struct.unpack_from("<II", frame.payload)
        assert (mode, place, frame.payload[8:11]) == (0o600, len(got), b"/x\0")
        got += frame.payload[11:]
        assert not talk.said
        talk.answer(Kind.DONE, frame.number)
    assert got == data


def test_an_empty_file_is_written_too(talk: Talk) -> None:
    job = talk.host.write("/x", b"", 0o600)
    talk.answer(Kind.DONE, talk.take().number)
    assert job.ended


def test_a_file_that_cannot_be_written_says_why(talk: Talk) -> None:
    job = talk.host.write("/x", bytes(9000), 0o600)
    talk.answer(Kind.FAILED, talk.take().number, struct.pack("<I", 28) + b"No space left on device")
    assert (job.ended, job.problem) == (True, "No space left on device")
    assert not talk.said


def test_the_end_of_the_guest_ends_everything_that_is_and_comes(talk: Talk) -> None:
    job, file = talk.run(), talk.host.write("/x", bytes(9000), 0o600)
    talk.host.end()
    later = talk.host.run(["program"], {}, 1)
    assert [job.problem, file.problem, later.problem] == [GONE] * 3
    assert talk.host.greeting.problem is None, "it has booted once"


def test_a_guest_that_never_greeted_has_not_booted() -> None:
    host = Conversation(lambda _frame: None)
    host.end("it went")
    assert (host.greeting.ended, host.greeting.problem) == (True, "it went")


def test_an_answer_to_nothing_is_a_fault(talk: Talk) -> None:
    with pytest.raises(ProtocolFault, match="EXITED of a command that does not run"):
        talk.answer(Kind.EXITED, 77, exited(0))


def test_a_path_that_is_not_absolute_is_refused_before_anything_is_said(talk: Talk) -> None:
    with pytest.raises(Misuse, match="absolute"):
        talk.host.write("x", b"", 0o600)
    with pytest.raises(Misuse, match="absolute"):
        talk.host.copy("passed", "x", 0o600)
    assert not talk.said
