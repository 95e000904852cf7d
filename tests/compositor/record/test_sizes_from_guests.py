"""What a guest says of a size is no reason to allocate it: recordings keep copies up to a bound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compositor import Machine
from compositor.record import tap
from compositor.record.changes import MemoryImage
from compositor.record.recording import Recording
from guest.commanded import CommandedGuest
from virtio.gpu import wire
from virtio.gpu.wire import BlobMem, Command, Rect, Response

WIDTH, HEIGHT, PIECE = 160, 120, 1 << 20


async def record(path: Path, pieces: int) -> str:
    """A blob that names the same pages over and over, painted and flushed a few times; the digest."""
    async with Machine(outputs=[f"{WIDTH}x{HEIGHT}@60"], record=path) as machine:
        guest = CommandedGuest()
        await machine.attach(guest)
        await machine.run(seconds=0)
        run = guest.driver.ram.allocate_contiguous(PIECE)
        pixels = np.frombuffer(guest.driver.ram.memory.view(*run), np.uint8)
        blob = wire.ResourceCreateBlob(1, BlobMem.GUEST, 2, pieces, 0, pieces * PIECE)
        guest.send(Command.RESOURCE_CREATE_BLOB, blob, wire.pack_entries([run] * pieces))
        guest.scan_out(1, WIDTH, HEIGHT)
        for value in (3, 3, 7, 0):
            pixels[1000:9000] = value
            guest.flush(1, Rect(0, 0, WIDTH, HEIGHT))
            await machine.run(seconds=0.05)
        assert set(guest.answers) == {Response.OK_NODATA}
        return str(machine.stats()["digest"])


async def replayed(path: Path) -> str:
    with Recording(path) as recording:
        async with Machine(outputs=recording.outputs, repaint="recorded") as machine:
            player = machine.replay(recording)
            await machine.run()
            assert player.differences == []
            return str(machine.stats()["digest"])


async def test_what_no_copy_is_kept_of_replays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap, "_KNOWN_BYTES", 0)
    path = tmp_path / "unknown.rec"
    assert await record(path, 1) == await replayed(path)


async def test_copies_are_kept_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    class Counted(MemoryImage):
        def __init__(self, size: int) -> None:
            sizes.append(size)
            super().__init__(size)

    monkeypatch.setattr(tap, "MemoryImage", Counted)
    await record(tmp_path / "a.rec", 2048)
    await record(tmp_path / "b.rec", 2049)
    await record(tmp_path / "c.rec", 16_384)
    assert sizes == [2048 * PIECE]
