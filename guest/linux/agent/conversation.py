"""What the host says to a guest's agent and hears from it, sans-IO: commands, each until it has ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from guest.linux.agent.frames import Frame, FrameReader, Kind, copy_frame, run_frame, write_frame
from virtio.errors import ProtocolFault

GONE = "the guest has ended"
_CHUNK = 2048  # bytes of a file at once


class Job:
    """Something that the agent does for us.

    Attributes:
        number: Of its frames.
        stdout: What it printed.
        stderr: What it complained of.
        ended: Whether it is over; then `status` or `problem` says how.
        status: The exit status; negative: the signal that ended it.
        problem: What the guest calls the error that kept it from being done.
        overflowed: It printed more than `limit`, and is being killed.
        limit: Bytes that it may print, in all.
        on_end: Called when it is over.
    """

    def __init__(self, number: int, limit: int = 0) -> None:
        self.number = number
        self.limit = limit
        self.stdout, self.stderr = bytearray(), bytearray()
        self.ended = False
        self.status = 0
        self.problem: str | None = None
        self.overflowed = False
        self.on_end: Callable[[], None] = _unheard

    @property
    def printed(self) -> int:
        """Bytes."""
        return len(self.stdout) + len(self.stderr)

    def end(self) -> None:
        """It is over; once more does nothing."""
        if not self.ended:
            self.ended = True
            self.on_end()


class Conversation:
    """With one agent, from its first word on.

    Args:
        send: Takes frames to the guest.

    Attributes:
        greeting: Ends when the agent has said that it listens.
    """

    def __init__(self, send: Callable[[Frame], None]) -> None:
        self.greeting = Job(0)
        self._send = send
        self._reader = FrameReader()
        self._count = 0
        self._jobs: dict[int, Job] = {}
        self._waiting: deque[Frame] = deque()
        self._under_way = False
        self._over = ""

    # What the host says.

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], limit: int, *, held: bool = False
    ) -> Job:
        """Start a command, whose input ends at once or, held, with it.

        Raises:
            Misuse: It cannot be carried.
        """
        job = Job(self._next(), limit)
        frame = run_frame(job.number, arguments, environment, held=held)
        self._begin(job, frame)
        return job

    def kill(self, job: Job) -> None:
        """End a command and the programs of its session; it reports how it ended as ever."""
        if job.number in self._jobs:
            self._say(Frame(Kind.KILL, job.number))

    def reset(self) -> Job:
        """End all programs that came after the agent."""
        job = Job(self._next())
        self._begin(job, Frame(Kind.RESET, job.number))
        return job

    def copy(self, name: str, path: str, mode: int) -> Job:
        """Copy a file out of the directory that the guest and this machine share.

        Raises:
            Misuse: The path cannot be carried.
        """
        job = Job(self._next())
        self._begin(job, copy_frame(job.number, name, path, mode=mode))
        return job

    def write(self, path: str, data: bytes, mode: int) -> Job:
        """Write a file, chunk after chunk.

        Raises:
            Misuse: The path cannot be carried.
        """
        whole = Job(self._next())

        def write_from(place: int) -> None:
            part = Job(self._next())
            piece = data[place : place + _CHUNK]
            part.on_end = lambda: written(place + len(piece), part.problem)
            self._begin(part, write_frame(part.number, path, piece, mode=mode, place=place))

        def written(place: int, problem: str | None) -> None:
            whole.problem = problem
            if problem is None and place < len(data):
                write_from(place)
            else:
                whole.end()

        write_from(0)
        return whole

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _begin(self, job: Job, frame: Frame) -> None:
        if self._over:
            job.problem = self._over
            job.end()
            return
        self._jobs[job.number] = job
        self._say(frame)

    def _say(self, frame: Frame | None = None) -> None:
        if frame is not None:
            self._waiting.append(frame)
        if self._waiting and not self._under_way:
            self._under_way = True
            self._send(self._waiting.popleft())

    # What it hears.

    def receive(self, data: bytes) -> None:
        """Bytes from the agent, in pieces of any size.

        Raises:
            ProtocolFault: Nonsense; nothing more can come of this line.
        """
        for frame in self._reader.feed(data):
            if frame.kind is Kind.READY:
                self.greeting.end()
            elif frame.kind is Kind.TAKEN:
                self._under_way = False
                self._say()
            else:
                self._hear(frame)

    def _hear(self, frame: Frame) -> None:
        job = self._jobs.get(frame.number)
        if job is None:
            raise ProtocolFault(f"the guest's agent sent {frame.kind.name} of a command that does not run")
        if frame.kind in (Kind.OUTPUT, Kind.ERRORS):
            self._collect(job, job.stdout if frame.kind is Kind.OUTPUT else job.stderr, frame.payload)
            return
        del self._jobs[frame.number]
        if frame.kind is Kind.EXITED:
            job.status = frame.status
        elif frame.kind is Kind.FAILED:
            job.problem = frame.reason
        job.end()

    def _collect(self, job: Job, stream: bytearray, data: bytes) -> None:
        room = job.limit - job.printed
        stream += data[:room]
        if not job.overflowed and len(data) > room:
            job.overflowed = True
            self.kill(job)

    def end(self, why: str = GONE) -> None:
        """Nothing more is heard: every job is over, without having been done; so is each that comes yet."""
        self._over = why
        jobs, self._jobs = [self.greeting, *self._jobs.values()], {}
        for job in jobs:
            if not job.ended:
                job.problem = why
                job.end()


def _unheard() -> None:
    """Nothing waits for it."""
