"""Images inside of blobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from virtio.gpu.backing import attach
from virtio.gpu.blob_image import BlobImage, BlobLayout
from virtio.gpu.errors import CommandFault
from virtio.gpu.formats import Format
from virtio.gpu.limits import Ledger
from virtio.gpu.resource import Blob
from virtio.gpu.wire import Rect, Response
from virtio.limits import Limits
from virtio.memory import PAGE
from virtio.turn import finish

if TYPE_CHECKING:
    from tests.virtio.gpu.conftest import Machine

HIGH = 0x1000_0000
LAYOUT = BlobLayout(Rect(3, 2, 20, 16), Format.B8G8R8X8, 200, 36)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def expected(data: bytes, layout: BlobLayout) -> list[list[list[int]]]:
    """The image, pixel by pixel."""
    x, y, width, height = layout.rect
    return [
        [
            list(data[layout.offset + (y + row) * layout.stride + 4 * (x + column) :][:4])
            for column in range(width)
        ]
        for row in range(height)
    ]


def blob_of(machine: Machine, ledger: Ledger, runs: list[tuple[int, int]]) -> tuple[Blob, bytes]:
    """A blob of random bytes, and the bytes."""
    pages = machine.array(0, 4)
    pages[:] = np.random.default_rng(3).integers(0, 256, pages.size, np.uint8)
    data = b"".join(machine.memory.read(*run) for run in runs)
    return Blob(5, len(data), attach(machine.memory, runs, ledger)), data


def test_a_layout_ends_with_the_last_row_s_last_pixel() -> None:
    assert LAYOUT.start == 36 + 2 * 200 + 3 * 4
    assert LAYOUT.end == LAYOUT.start + 15 * 200 + 20 * 4


def test_a_mapped_blob_is_shown_as_it_is(machine: Machine, ledger: Ledger) -> None:
    blob, data = blob_of(machine, ledger, machine.pages(3, 0))
    image = BlobImage(blob, LAYOUT, ledger)
    assert image.zero_copy
    assert image.pixels.tolist() == expected(data, LAYOUT)
    assert not image.pixels.flags.writeable
    machine.array(3, 1)[LAYOUT.start] ^= 0xFF
    assert image.pixels[0, 0, 0] == data[LAYOUT.start] ^ 0xFF
    assert finish(image.refresh(Rect(0, 0, 20, 16))) == 0
    image.close()
    assert ledger.host_memory.used == 0


def test_pixels_can_lie_at_any_byte(machine: Machine, ledger: Ledger) -> None:
    layout = BlobLayout(Rect(0, 0, 16, 16), Format.R8G8B8A8, 67, 5)
    blob, data = blob_of(machine, ledger, machine.pages(1))
    assert BlobImage(blob, layout, ledger).pixels.tolist() == expected(data, layout)


def test_an_unmappable_blob_is_copied_wholly_the_first_time_then_by_damage(
    machine: Machine, ledger: Ledger
) -> None:
    runs = [(HIGH + 9, 1000), (HIGH + 5000, 3000)]
    blob, data = blob_of(machine, ledger, runs)
    held = ledger.host_memory.used
    image = BlobImage(blob, LAYOUT, ledger)
    assert not image.zero_copy
    assert ledger.host_memory.used == held + 20 * 16 * 4

    assert finish(image.refresh(Rect(1, 1, 2, 2))) == 20 * 16 * 4
    assert image.pixels.tolist() == expected(data, LAYOUT)

    machine.array(0, 4)[:] = 1
    assert finish(image.refresh(Rect(18, 3, 2, 4))) == 2 * 4 * 4
    before = np.array(expected(data, LAYOUT), np.uint8)
    before[3:7, 18:20] = 1
    assert np.array_equal(image.pixels, before)

    image.close()
    image.close()
    assert ledger.host_memory.used == held
    assert np.array_equal(image.pixels, before), "what a display still shows stays as it was"


@pytest.mark.parametrize("detached", [False, True])
def test_an_image_beyond_the_blob_or_its_backing_is_refused(
    machine: Machine, ledger: Ledger, *, detached: bool
) -> None:
    blob, _ = blob_of(machine, ledger, machine.pages(0))
    if detached:
        blob.detach()
    layout = LAYOUT._replace(offset=PAGE)
    with pytest.raises(
        CommandFault, match=rf"ends at byte {layout.end} of blob 5, which has {0 if detached else PAGE}"
    ) as caught:
        BlobImage(blob, layout, ledger)
    assert caught.value.response == Response.ERR_INVALID_PARAMETER


def test_the_smaller_of_blob_and_backing_counts(machine: Machine, ledger: Ledger) -> None:
    blob = Blob(5, LAYOUT.end - 1, attach(machine.memory, machine.pages(0), ledger))
    with pytest.raises(CommandFault, match=f"which has {LAYOUT.end - 1}"):
        BlobImage(blob, LAYOUT, ledger)
    blob.size += 1
    assert BlobImage(blob, LAYOUT, ledger).pixels.shape == (16, 20, 4)


def test_a_copy_beyond_the_guest_s_host_memory_is_refused(machine: Machine) -> None:
    ledger = Ledger(Limits(host_memory=1300))
    blob, _ = blob_of(machine, ledger, [(HIGH + 9, 1000), (HIGH + 5000, 3000)])
    with pytest.raises(CommandFault, match="a copy of unmappable blob 5 needs 1280 bytes") as caught:
        BlobImage(blob, LAYOUT, ledger)
    assert caught.value.response == Response.ERR_OUT_OF_MEMORY
