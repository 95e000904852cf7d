"""Recordings, replayed: whole files as they are, and records with right checksums."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from compositor import Machine
from compositor.errors import BadInput
from compositor.record.container import ChunkReader, ChunkWriter, pack
from compositor.record.recording import Recording
from compositor.record.records import Kind, Record, decode
from tests.compositor.record.test_hostile_recordings import _everything
from tests.fuzz.reader import Reader
from tests.fuzz.target import Target, check_refusal

_LOOP = asyncio.new_event_loop()
_WHOLE = 1


def run(data: bytes) -> None:
    """The first byte: bit 0 for a whole file; then the file, or the content of its one chunk."""
    reader = Reader(data)
    mode = reader.number()
    fd = os.memfd_create("recording")
    try:
        with open(fd, "wb", buffering=0, closefd=False) as file:
            if mode & _WHOLE:
                file.write(reader.rest())
            else:
                ChunkWriter(file).add(pack(reader.rest()), last=True)
        _LOOP.run_until_complete(play(Path(f"/proc/self/fd/{fd}")))
    except BadInput as refusal:
        check_refusal(refusal)
    finally:
        os.close(fd)


async def play(path: Path) -> None:
    """Replay a recording to its end."""
    with Recording(path) as recording:
        outputs = recording.outputs
        async with Machine(outputs=outputs, repaint="recorded", report=lambda _line: None) as machine:
            machine.replay(recording)
            await machine.run()
            machine.stats()


def seeds() -> Iterator[bytes]:
    """A run with every kind of record, whole and without some of them."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "f"
        asyncio.run(_everything(path))
        yield bytes([_WHOLE]) + path.read_bytes()
        with path.open("rb") as file:
            records = [record for chunk in ChunkReader(file, "f") for record in decode(chunk)]
    yield joined(records)
    for kind in Kind:
        yield joined([record for record in records if record.kind is not kind])
    for count in range(2, len(records), len(records) // 6):
        yield joined(records[:count])


def joined(records: list[Record]) -> bytes:
    """Records as an input."""
    return b"\0" + b"".join(part for record in records for part in record.encode())


TARGET = Target(run, seeds, longest=1 << 16, work=50_000)
