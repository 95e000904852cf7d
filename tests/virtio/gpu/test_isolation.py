"""Not one byte of one guest is seen in another's: marked memory, over reuse of buffers, ids and mappings.

Each guest's memory is full of a mark of its own. Two guests make, show and destroy resources with the same
ids, in turns, as 2D images, mapped blobs, copied blobs, host blobs and cursors; what was shown stays referred
to, as by a compositor. Everywhere there may be the guest's own mark, zeros, or the opaque alpha of a cursor.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.virtio.gpu.conftest import Machine
from virtio.account import Together
from virtio.gpu.display import DisplayMode
from virtio.gpu.limits import Ledger
from virtio.gpu.wire import (
    BlobMem,
    Command,
    CursorPos,
    Rect,
    ResourceCreateBlob,
    ResourceDetachBacking,
    ResourceUnref,
    SetScanout,
    TransferToHost2d,
    UpdateCursor,
)
from virtio.limits import Limits
from virtio.memory import PAGE

if TYPE_CHECKING:
    from tests.virtio.gpu.conftest import MakeMachine

MARKS = (0xA5, 0x5B)
PAGES = 64  # of a guest's memory for resources
SIDE = 64  # pixels of every picture
BYTES = SIDE * SIDE * 4
IDS = range(1, 5)
OPAQUE = 0xFF


class Marked:
    """A guest whose memory is full of its mark, and all that was ever shown of it."""

    def __init__(self, machine: Machine, mark: int) -> None:
        self.machine, self.mark = machine, mark
        self.seen: list[NDArray[np.uint8]] = []
        self.images: set[int] = set()
        self.blobs: set[int] = set()
        self.fill()

    def fill(self) -> None:
        self.machine.array(0, PAGES)[:] = self.mark

    def act(self, random: Random) -> None:
        """One step, and a look at what is shown then."""
        steps: list[Callable[[Random], None]] = [
            *[self.create_image, self.create_blob, self.create_blob, self.host_blob],
            *[self.show, self.show, self.cursor, self.move, self.drop, self.drop, self.reboot],
        ]
        random.choice(steps)(random)
        display = self.machine.display
        self.seen += [shown.pixels for shown in display.images.values() if shown is not None]
        self.seen += [shown.pixels for shown in display.cursors.values() if shown is not None]
        del self.seen[:-40]  # the oldest mappings go, and their addresses are used again

    def free_id(self, random: Random) -> int | None:
        free = [number for number in IDS if number not in self.images | self.blobs]
        return random.choice(free) if free else None

    def create_image(self, random: Random) -> None:
        resource_id = self.free_id(random)
        if resource_id is None:
            return
        self.machine.create_2d(resource_id, SIDE, SIDE, page=random.randrange(PAGES - BYTES // PAGE))
        self.images.add(resource_id)
        if random.random() < 0.5:  # else it is shown as it was made
            self.transfer(resource_id, SIDE)

    def transfer(self, resource_id: int, height: int) -> None:
        body = TransferToHost2d(Rect(0, 0, SIDE, height), 0, resource_id)
        self.machine.ok(Command.TRANSFER_TO_HOST_2D, body)

    def create_blob(self, random: Random) -> None:
        """Pages in any order: mapped, or, beyond the guest's share of mappings, copied."""
        resource_id = self.free_id(random)
        if resource_id is not None:
            pages = random.sample(range(PAGES), BYTES // PAGE)
            self.machine.create_blob(resource_id, self.machine.pages(*pages))
            self.blobs.add(resource_id)

    def host_blob(self, random: Random) -> None:
        resource_id = self.free_id(random)
        if resource_id is not None:
            body = ResourceCreateBlob(resource_id, BlobMem.HOST3D, 1, 0, 0, BYTES)
            self.machine.ok(Command.RESOURCE_CREATE_BLOB, body)
            self.blobs.add(resource_id)
            memory = self.machine.device.host_blob(resource_id)
            assert memory is not None
            assert not memory.any(), "new memory holds nothing"
            memory[: BYTES // 2] = self.mark

    def show(self, random: Random) -> None:
        resource_id = random.choice(IDS)
        if resource_id in self.images:
            self.machine.show_2d(resource_id, Rect(0, 0, SIDE, SIDE))
            self.transfer(resource_id, random.randrange(1, SIDE))
        elif resource_id in self.blobs:
            self.machine.show_blob(resource_id, SIDE, SIDE)
        else:
            return
        self.machine.flush(resource_id, Rect(0, 0, SIDE, SIDE))

    def cursor(self, random: Random) -> None:
        resource_id = random.choice(IDS)
        if resource_id in self.images | self.blobs:
            self.machine.cursor(
                Command.UPDATE_CURSOR, UpdateCursor(CursorPos(0, 1, 1), resource_id, 0, 0), room=64
            )

    def move(self, random: Random) -> None:
        """Other pages for a blob that lives, as when the exporter of a PRIME import moves its buffer."""
        resource_id = random.choice(IDS)
        if resource_id not in self.blobs:
            return
        detached = self.machine.send(Command.RESOURCE_DETACH_BACKING, ResourceDetachBacking(resource_id))
        if detached.response < 0x1200:  # a host blob has nothing to detach
            self.machine.ok(Command.RESOURCE_UNREF, ResourceUnref(resource_id))
            self.blobs.discard(resource_id)
            self.create_blob(random)

    def drop(self, random: Random) -> None:
        resource_id = random.choice(IDS)
        if resource_id in self.images | self.blobs:
            if random.random() < 0.3:
                self.machine.ok(Command.SET_SCANOUT, SetScanout(Rect(0, 0, 0, 0), 0, 0))
            self.machine.ok(Command.RESOURCE_UNREF, ResourceUnref(resource_id))
            self.images.discard(resource_id)
            self.blobs.discard(resource_id)

    def reboot(self, random: Random) -> None:
        if random.random() < 0.2:
            self.machine.device.reset()
            self.machine.start()
            self.images.clear()
            self.blobs.clear()

    def foreign(self) -> int:
        """Bytes that are not this guest's, in what is shown of it and in its memory."""
        own = {self.mark, 0, OPAQUE}
        strange = np.ones(256, np.uint8)
        strange[list(own)] = 0
        shown = sum(int(strange[pixels].sum()) for pixels in self.seen)
        return shown + int((self.machine.array(0, PAGES) != self.mark).sum())


@pytest.fixture(scope="module")
def guests() -> Iterator[list[Marked]]:
    together = Together()
    machines = [
        Machine(
            [DisplayMode(SIDE, SIDE)],
            limits=Limits(mappings=40),  # two blobs are mapped, further ones copied
            together=together,
            host_memory=True,
        )
        for _ in MARKS
    ]
    yield [Marked(machine, mark) for machine, mark in zip(machines, MARKS, strict=True)]
    for machine in machines:
        machine.close()


def play(guests: list[Marked], seed: int, steps: int) -> int:
    random = Random(seed)
    foreign = 0
    for number in range(steps):
        random.choice(guests).act(random)
        if not number % 10:
            foreign += sum(guest.foreign() for guest in guests)
    return foreign + sum(guest.foreign() for guest in guests)


@settings(max_examples=25)
@given(seed=st.integers(0, 1 << 32))
def test_no_byte_of_one_guest_is_seen_in_another(guests: list[Marked], seed: int) -> None:
    assert play(guests, seed, 60) == 0


def test_everything_that_can_be_shown_was(guests: list[Marked]) -> None:
    """The play is not empty: both marks were seen, in images, mappings and copies."""
    for guest in guests:
        guest.seen.clear()
    assert play(guests, 7, 400) == 0
    for guest in guests:
        commands = guest.machine.device.commands
        assert min(commands[name] for name in ("RESOURCE_CREATE_2D", "UPDATE_CURSOR")) > 5
        assert any((pixels == guest.mark).all() for pixels in guest.seen)
        assert guest.machine.device.transfer_bytes > 0


def test_memory_that_is_used_again_would_be_found(
    make_machine: MakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The opposite: an allocator that gives one guest what another one had."""
    pool: list[NDArray[np.uint8]] = []

    def used_again(_ledger: Ledger, shape: tuple[int, ...], _purpose: str) -> NDArray[np.uint8]:
        size = int(np.prod(shape))
        found: Any = next((used for used in pool if used.size == size), None)
        if found is None:
            pool.append(np.zeros(size, np.uint8))
            found = pool[-1]
        return np.asarray(found.reshape(shape))

    monkeypatch.setattr(Ledger, "allocate", used_again)
    one, other = (Marked(make_machine([DisplayMode(SIDE, SIDE)], host_memory=True), mark) for mark in MARKS)
    one.create_image(Random(1))
    one.transfer(next(iter(one.images)), SIDE)
    other.create_image(Random(2))
    resource_id = next(iter(other.images))
    other.machine.show_2d(resource_id, Rect(0, 0, SIDE, SIDE))
    shown = other.machine.display.images[0]
    assert shown is not None
    other.seen.append(shown.pixels)
    one.transfer(next(iter(one.images)), SIDE)
    leaked = other.foreign()
    for guest in (one, other):
        guest.machine.device._ledger.host_memory.take(BYTES)  # what the allocator did not count
    assert leaked == BYTES


def test_a_view_of_a_guest_that_has_gone_shows_its_own_bytes_and_no_ones_else(
    make_machine: MakeMachine,
) -> None:
    """What a compositor still holds keeps its mapping: another guest's mapping never takes its place."""
    one = Marked(make_machine([DisplayMode(SIDE, SIDE)]), MARKS[0])
    one.create_blob(Random(1))
    resource_id = next(iter(one.blobs))
    one.machine.show_blob(resource_id, SIDE, SIDE)
    shown = one.machine.display.images[0]
    assert shown is not None
    kept = shown.pixels
    del shown
    one.machine.device.reset()
    one.machine.start()
    gc.collect()
    others = [Marked(make_machine([DisplayMode(SIDE, SIDE)]), MARKS[1]) for _ in range(3)]
    for other in others:
        for seed in range(3):
            other.create_blob(Random(seed))
    assert (kept == MARKS[0]).all()
    gc.collect()
