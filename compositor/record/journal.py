"""The order of a recording's records, and their way into the file."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from compositor.errors import BadInput
from compositor.record.container import CHUNK_BYTES, ChunkWriter, Packed, pack
from compositor.record.records import CommandRecord, ContentRecord, Kind, Record

# A chunk is written when it spans this much time, so that a killed process loses little more than that.
_CHUNK_NS = 250_000_000
# Chunks that are compressed at the same time; content that changes everywhere takes longer there than here.
_PACKERS = 2


class _Page:
    """Room for a chunk's records, used again when the chunk is compressed: new memory costs page faults."""

    __slots__ = ("_room", "used")

    def __init__(self) -> None:
        self._room = bytearray(2 * CHUNK_BYTES)
        self.used = 0

    def add(self, part: bytes | memoryview) -> None:
        end = self.used + len(part)
        if end > len(self._room):
            self._room.extend(bytes(max(end, 2 * len(self._room)) - len(self._room)))
        self._room[self.used : end] = part
        self.used = end

    def pack(self) -> Packed:
        with memoryview(self._room) as room, room[: self.used] as content:
            return pack(content)


class _Open:
    """A command that is being carried out: what its record will stand behind, and before."""

    __slots__ = ("time_ns", "before", "after")

    def __init__(self, time_ns: int) -> None:
        self.time_ns = time_ns
        self.before: list[Record] = []
        self.after: list[Record] = []


class Journal:
    """Writes records in the order in which a replay needs them.

    A command's record holds its answer, so it is written when the answer is known. What happens inside of a
    command is held back until then: the content that the command looks at comes before it, effects after
    it. One command can be inside of another: a flush presents, the frame's fence wakes another guest.

    The file grows while the machine runs, so that what a killed process leaves can be replayed. A full disk
    ends the recording, never the run. Chunks are compressed by threads, which have most of a recording's work
    and hold no lock of the interpreter's meanwhile, and written in their order by another; a few at a time,
    so that memory stays bounded.

    Args:
        path: The file; overwritten.
        now_ns: The run's clock.
        report: Gets one line when the file cannot be written any more.

    Attributes:
        written: Bytes of the file so far.

    Raises:
        BadInput: The file cannot be opened.
    """

    def __init__(self, path: Path, now_ns: Callable[[], int], report: Callable[[str], None]) -> None:
        self.now_ns = now_ns
        self._path, self._report = path, report
        self._page = _Page()
        self._empty: list[_Page] = []
        self._chunk_ends_ns = 0  # the first record is written at once
        self._open: list[_Open] = []
        try:
            self._file: BinaryIO | None = path.open("wb", buffering=0)
            self._chunks = ChunkWriter(self._file)
        except OSError as error:
            raise BadInput(f"--record {path}: {error.strerror}") from None
        self._packers = ThreadPoolExecutor(_PACKERS, "scanout-pack")
        self._writer = ThreadPoolExecutor(1, "scanout-record")
        self._writing: deque[Future[None]] = deque()

    @property
    def recording(self) -> bool:
        """Whether records still go anywhere."""
        return self._file is not None

    @property
    def written(self) -> int:
        """Bytes of the file so far."""
        return self._chunks.written

    def write(self, kind: Kind, subject: int, payload: bytes = b"", *, time_ns: int | None = None) -> None:
        """Append a record, of this moment or of `time_ns`."""
        record = Record(kind, subject, self.now_ns() if time_ns is None else time_ns, payload)
        if self._open:
            self._open[-1].after.append(record)
        else:
            self._append(record)

    def write_content(self, guest: int, content: ContentRecord) -> None:
        """Append what changed in a guest's memory: before the command that is being carried out, if any."""
        if self._open:
            command = self._open[-1]
            command.before.append(content.record(guest, command.time_ns))
        else:
            self._append(content.record(guest, self.now_ns()))

    def command_begins(self) -> None:
        """A command is about to be carried out."""
        self._open.append(_Open(self.now_ns()))

    def command_ends(self, guest: int, command: CommandRecord) -> None:
        """The command that began last was answered."""
        done = self._open.pop()
        records = [*done.before, Record(Kind.COMMAND, guest, done.time_ns, command.encode()), *done.after]
        if self._open:
            self._open[-1].after.extend(records)
        else:
            for record in records:
                self._append(record)

    def close(self) -> None:
        """End the recording; whatever happens afterwards is not recorded. Once more does nothing."""
        if self._file is not None:
            self._open.clear()
            self.write(Kind.END, 0)
            self._write_chunk(last=True)
            self._wait(0)
            self._stop()

    def _append(self, record: Record) -> None:
        if self._file is None:
            return
        for part in record.encode():
            self._page.add(part)
        if self._page.used >= CHUNK_BYTES or record.time_ns >= self._chunk_ends_ns:
            self._write_chunk()
            self._chunk_ends_ns = record.time_ns + _CHUNK_NS

    def _write_chunk(self, *, last: bool = False) -> None:
        self._wait(_PACKERS)
        if self._file is not None:
            page, self._page = self._page, self._empty.pop() if self._empty else _Page()
            packed = self._packers.submit(page.pack)
            self._writing.append(self._writer.submit(self._put, packed, page, last=last))

    def _put(self, packed: Future[Packed], page: _Page, *, last: bool) -> None:
        self._chunks.add(packed.result(), last=last)
        page.used = 0
        self._empty.append(page)

    def _wait(self, most: int) -> None:
        """Until at most so many chunks are on their way into the file; or one was refused."""
        try:
            while len(self._writing) > most:
                self._writing.popleft().result()
        except OSError as error:
            self._report(f"--record {self._path}: {error.strerror}: the recording ends here, the run goes on")
            self._stop()

    def _stop(self) -> None:
        if self._file is not None:
            self._packers.shutdown()
            self._writer.shutdown()
            self._writing.clear()
            self._file.close()
            self._file = None
            self._page, self._empty = _Page(), []
